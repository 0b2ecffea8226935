// What a WebSocket connection keeps across hibernation: its ConnectionState and its cursor, in the attachment of its socket, which
// costs no row. A state that is too large for an attachment has a row in the ConnectionStore.
import { isObject } from '../../../core/json.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionState } from '../connections/connection-state.ts'
import type { ConnectionStore } from '../connections/connection-store.ts'
import type { CursorPlace } from './log-cursor.ts'

/**
 * An attachment has at most 16,384 bytes (workerd's web-socket.h, MAX_ATTACHMENT_SIZE). A character of the state has up to two, one of
 * `authorization` has one.
 */
const MAX_STATE_BYTES = 14_000

export type WebSocketProtocol = 'plain' | 'rigel.v1'

interface SavedState {
  /** What a check service is asked with: see `keptAuthorization`. Never in a row. */
  readonly authorization?: string | null | undefined
  /** JSON of the ConnectionState without its subscriptions. Null if the state has a row. */
  readonly state: string | null
  /** JSON of the subscriptions, by itself: most connections have the same, and a shard that wakes parses it once. */
  readonly subscriptions: string
}

interface WebSocketAttachment extends SavedState {
  readonly id: string
  readonly transport: 'ws'
  readonly protocol: WebSocketProtocol
  readonly behindSeq: number | null
}

/** Parsed subscriptions by their JSON. */
export type SetsByText = Map<string, readonly Subscription[]>

const NOT_SAVED: SavedState = { state: '', subscriptions: '' }

export class SocketRecord implements CursorPlace {
  readonly protocol: WebSocketProtocol
  readonly #id: string
  readonly #socket: WebSocket
  readonly #store: ConnectionStore
  #behindSeq: number | null
  #hasRow: boolean
  /** What the next `save` attaches; null: what is attached. */
  #toKeep: { readonly authorization: string | null | undefined } | null = null
  /** While the connection is being opened: what is saved meanwhile, which is attached once. */
  #opening: SavedState | undefined

  constructor(socket: WebSocket, store: ConnectionStore, attachment: WebSocketAttachment, opening?: SavedState) {
    this.#opening = opening
    this.#socket = socket
    this.#store = store
    this.#id = attachment.id
    this.protocol = attachment.protocol
    this.#behindSeq = attachment.behindSeq
    this.#hasRow = attachment.state === null
  }

  get behindSeq(): number | null {
    return this.#behindSeq
  }

  /** Attached when it changes, never per event. */
  set behindSeq(seq: number | null) {
    if (seq === this.#behindSeq) return
    this.#behindSeq = seq
    if (this.#opening === undefined) this.#attach(this.#saved)
  }

  get authorization(): string | null | undefined {
    return this.#saved.authorization
  }

  /** Keeps it with the next `save`. */
  setAuthorization(authorization: string | null | undefined): void {
    this.#toKeep = { authorization }
  }

  /** To be called in the same turn as the constructor: until then nothing is attached. */
  opened(): void {
    if (this.#opening !== undefined) this.#attach(this.#opening)
    this.#opening = undefined
  }

  save(state: ConnectionState): void {
    const { subscriptions, ...rest } = state
    const json = { state: JSON.stringify(rest), subscriptions: JSON.stringify(subscriptions) }
    const { authorization } = this.#toKeep ?? this
    this.#toKeep = null
    const chars = json.state.length + json.subscriptions.length
    const isSmall = 2 * chars + (authorization?.length ?? 0) <= MAX_STATE_BYTES
    if (isSmall) this.delete()
    else this.#store.put(state)
    this.#hasRow = !isSmall
    const saved: SavedState = isSmall ? { ...json, authorization } : { state: null, subscriptions: '', authorization }
    if (this.#opening === undefined) this.#attach(saved)
    else this.#opening = saved
  }

  /** The attachment goes with the socket. */
  delete(): void {
    if (this.#hasRow) this.#store.delete(this.#id)
  }

  /** Read back, so that it is not in memory for each connection. */
  get #saved(): SavedState {
    const saved = this.#opening ?? readOwn(this.#socket)
    if (saved === undefined) throw new Error('the socket has no attachment of a WebSocket connection')
    return saved
  }

  #attach({ authorization, state, subscriptions }: SavedState): void {
    const attachment: WebSocketAttachment = {
      id: this.#id,
      transport: 'ws',
      protocol: this.protocol,
      behindSeq: this.#behindSeq,
      ...(authorization === undefined ? {} : { authorization }),
      state,
      subscriptions,
    }
    this.#socket.serializeAttachment(attachment)
  }
}

/** Returns the record of a connection that is being opened: `opened` attaches it. */
export function newRecord(
  socket: WebSocket,
  store: ConnectionStore,
  id: string,
  protocol: WebSocketProtocol,
  behindSeq: number | null,
  authorization: string | null | undefined,
): SocketRecord {
  const record = new SocketRecord(socket, store, { ...NOT_SAVED, id, transport: 'ws', protocol, behindSeq }, NOT_SAVED)
  record.setAuthorization(authorization)
  return record
}

/** Undefined for a socket of another transport. Only this file writes attachments of this one, and no socket outlives a deploy. */
function readOwn(socket: WebSocket): WebSocketAttachment | undefined {
  const attachment: unknown = socket.deserializeAttachment()
  const isOwn = isObject(attachment) && attachment['transport'] === 'ws' && 'subscriptions' in attachment
  return isOwn ? (attachment as unknown as WebSocketAttachment) : undefined
}

/**
 * Returns the record of a socket that was hibernated, and its state; undefined for a socket of another transport. `sets`: of the
 * sockets before.
 */
export function restoreRecord(
  socket: WebSocket,
  store: ConnectionStore,
  rows: ReadonlyMap<string, ConnectionState>,
  sets: SetsByText,
): { readonly record: SocketRecord; readonly state: ConnectionState } | undefined {
  const attachment = readOwn(socket)
  if (attachment === undefined) return undefined
  const state =
    attachment.state === null ? rows.get(attachment.id) : parseState(attachment.state, attachment.subscriptions, sets)
  return state === undefined ? undefined : { record: new SocketRecord(socket, store, attachment), state }
}

function parseState(state: string, subscriptions: string, sets: SetsByText): ConnectionState {
  const set = sets.get(subscriptions) ?? (JSON.parse(subscriptions) as readonly Subscription[])
  sets.set(subscriptions, set)
  return Object.assign(JSON.parse(state) as Omit<ConnectionState, 'subscriptions'>, { subscriptions: set })
}
