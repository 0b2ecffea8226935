// What a WebSocket connection keeps across hibernation: its ConnectionState and its cursor, in the attachment of its socket, which
// costs no row. A state that is too large for an attachment has a row in the ConnectionStore.
import * as z from 'zod'
import type { ConnectionState } from '../connections/connection-state.ts'
import type { ConnectionStore } from '../connections/connection-store.ts'

/** An attachment has at most 16,384 bytes, and a character of its text up to two (workerd's web-socket.h, MAX_ATTACHMENT_SIZE). */
const MAX_STATE_CHARS = 7_000

const attachmentSchema = z.object({
  id: z.string(),
  transport: z.literal('ws'),
  protocol: z.enum(['plain', 'rigel.v1']),
  behindSeq: z.number().int().min(0).nullable(),
  /** JSON of the ConnectionState. Null if the state has a row. */
  state: z.string().nullable(),
})

type WebSocketAttachment = Readonly<z.infer<typeof attachmentSchema>>

export type WebSocketProtocol = WebSocketAttachment['protocol']

export class SocketRecord {
  readonly protocol: WebSocketProtocol
  readonly #id: string
  readonly #socket: WebSocket
  readonly #store: ConnectionStore
  #behindSeq: number | null
  #hasRow: boolean

  constructor(socket: WebSocket, store: ConnectionStore, attachment: WebSocketAttachment) {
    this.#socket = socket
    this.#store = store
    this.#id = attachment.id
    this.protocol = attachment.protocol
    this.#behindSeq = attachment.behindSeq
    this.#hasRow = attachment.state === null
  }

  /** Everything up to here has been sent. Null if the connection is live: every committed event has been. */
  get behindSeq(): number | null {
    return this.#behindSeq
  }

  /** Attached when it changes, never per event. */
  setBehind(seq: number | null): void {
    if (seq === this.#behindSeq) return
    this.#behindSeq = seq
    // Read back, so that the text is not in memory for each connection.
    const { state } = attachmentSchema.parse(this.#socket.deserializeAttachment())
    this.#attach(state)
  }

  save(state: ConnectionState): void {
    const json = JSON.stringify(state)
    const isSmall = json.length <= MAX_STATE_CHARS
    if (isSmall) this.delete()
    else this.#store.put(state)
    this.#hasRow = !isSmall
    this.#attach(isSmall ? json : null)
  }

  /** The attachment goes with the socket. */
  delete(): void {
    if (this.#hasRow) this.#store.delete(this.#id)
  }

  #attach(state: string | null): void {
    const attachment: WebSocketAttachment = {
      id: this.#id,
      transport: 'ws',
      protocol: this.protocol,
      behindSeq: this.#behindSeq,
      state,
    }
    this.#socket.serializeAttachment(attachment)
  }
}

/** Returns the record of a connection that is about to be saved, which attaches it. */
export function newRecord(
  socket: WebSocket,
  store: ConnectionStore,
  id: string,
  protocol: WebSocketProtocol,
  behindSeq: number | null,
): SocketRecord {
  return new SocketRecord(socket, store, { id, transport: 'ws', protocol, behindSeq, state: '' })
}

/** Returns the record of a socket that was hibernated, and its state; undefined for a socket of another transport. */
export function restoreRecord(
  socket: WebSocket,
  store: ConnectionStore,
  rows: ReadonlyMap<string, ConnectionState>,
): { readonly record: SocketRecord; readonly state: ConnectionState } | undefined {
  const attachment = attachmentSchema.safeParse(socket.deserializeAttachment()).data
  if (attachment === undefined) return undefined
  // Written by this version: no socket outlives a deploy.
  const state = attachment.state === null ? rows.get(attachment.id) : (JSON.parse(attachment.state) as ConnectionState)
  return state === undefined ? undefined : { record: new SocketRecord(socket, store, attachment), state }
}
