// What a WebSocket connection keeps across hibernation: its ConnectionState and its cursor, in the attachment of its socket, which
// costs no row. A state that is too large for an attachment has a row in the ConnectionStore.
import * as z from 'zod'
import type { ConnectionState } from '../connections/connection-state.ts'
import type { ConnectionStore } from '../connections/connection-store.ts'

/**
 * An attachment has at most 16,384 bytes (workerd's web-socket.h, MAX_ATTACHMENT_SIZE). A character of the state has up to two, one of
 * `authorization` has one.
 */
const MAX_STATE_BYTES = 14_000

const attachmentSchema = z.object({
  id: z.string(),
  transport: z.literal('ws'),
  protocol: z.enum(['plain', 'rigel.v1']),
  behindSeq: z.number().int().min(0).nullable(),
  /** What a check service is asked with: see `keptAuthorization`. Never in a row. */
  authorization: z.string().nullable().optional(),
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
  /** What the next `save` attaches; null: what is attached. */
  #toKeep: { readonly authorization: string | null | undefined } | null = null

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

  /** Read back, so that it is not in memory for each connection. */
  get authorization(): string | null | undefined {
    return attachmentSchema.parse(this.#socket.deserializeAttachment()).authorization
  }

  /** Keeps it with the next `save`. */
  setAuthorization(authorization: string | null | undefined): void {
    this.#toKeep = { authorization }
  }

  /** Attached when it changes, never per event. */
  setBehind(seq: number | null): void {
    if (seq === this.#behindSeq) return
    this.#behindSeq = seq
    // Read back, so that the text is not in memory for each connection.
    const { authorization, state } = attachmentSchema.parse(this.#socket.deserializeAttachment())
    this.#attach(state, authorization)
  }

  save(state: ConnectionState): void {
    const json = JSON.stringify(state)
    const { authorization } = this.#toKeep ?? this
    this.#toKeep = null
    const isSmall = 2 * json.length + (authorization?.length ?? 0) <= MAX_STATE_BYTES
    if (isSmall) this.delete()
    else this.#store.put(state)
    this.#hasRow = !isSmall
    this.#attach(isSmall ? json : null, authorization)
  }

  /** The attachment goes with the socket. */
  delete(): void {
    if (this.#hasRow) this.#store.delete(this.#id)
  }

  #attach(state: string | null, authorization: string | null | undefined): void {
    const attachment: WebSocketAttachment = {
      id: this.#id,
      transport: 'ws',
      protocol: this.protocol,
      behindSeq: this.#behindSeq,
      ...(authorization === undefined ? {} : { authorization }),
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
  authorization: string | null | undefined,
): SocketRecord {
  const record = new SocketRecord(socket, store, { id, transport: 'ws', protocol, behindSeq, state: '' })
  record.setAuthorization(authorization)
  return record
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
