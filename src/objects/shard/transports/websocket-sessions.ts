// The WebSockets of a shard: opened, found again after sleep or crash, and what their clients send. The Durable Object
// hands its WebSocket events over to here.
import type { Check } from '../../../config/auth.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { toHttp, type RigelError } from '../../../core/errors.ts'
import { fail, type Result } from '../../../core/result.ts'
import { parseSubscriptions, type SubscriptionRules } from '../../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionStore, StoredConnection } from '../connection-store.ts'
import type { ConnectionRegistry } from '../connection-registry.ts'
import type { History } from '../log/replay.ts'
import { termsOf, toStored, type Opening } from '../connection-state.ts'
import {
  encodeErrorFrame,
  encodeRenewedFrame,
  encodeSubscribedFrame,
  parseClientFrame,
  type ClientFrame,
} from './rigel-v1.ts'
import type { ConnectionLifecycle } from '../connection-lifecycle.ts'
import { maySubscribe, type Subscribing } from '../subscribe.ts'
import { closeSocket, readAttachment, WebSocketConnection, type Attachment } from './websocket.ts'

/** A client's frame is an acknowledgement or a set of subscriptions; what is larger than this is neither. */
const MAX_CLIENT_FRAME_CHARS = 262_144

const NOT_TWO_WAY = 'This WebSocket endpoint cannot be used for two-way communication.'

export interface SocketsDeps {
  /** The runtime's: hibernatable. */
  readonly host: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>
  readonly waitingBytes: number
  readonly rules: SubscriptionRules
  /** Of in-band subscriptions as well. */
  readonly check: Check
  readonly history: History
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly roster: ConnectionLifecycle
  readonly subscribing: Subscribing
  /** Verifies the token, and answers when the connection ends now. */
  readonly renew: (connectionId: string, token: string) => Promise<Result<number, RigelError>>
}

export class Sockets {
  readonly #deps: SocketsDeps

  constructor(deps: SocketsDeps) {
    this.#deps = deps
  }

  open(connect: ConnectRequest, opening: Opening): Response {
    const { host, roster, store } = this.#deps
    const { 0: client, 1: server } = new WebSocketPair()
    const protocol = connect.protocol === 'rigel.v1' ? 'rigel.v1' : 'plain'
    const attachment: Attachment = { id: opening.filter.connectionId, protocol, behindSeq: opening.startSeq }
    host.acceptWebSocket(server)
    server.serializeAttachment(attachment)
    const stored = toStored('ws', opening)
    store.put(stored)
    const connection = this.#create(server, attachment, stored)
    roster.greet(connection, opening)
    roster.add(connection)
    connection.replay()
    const headers = connect.protocol === null ? undefined : { 'sec-websocket-protocol': connect.protocol }
    return new Response(null, { status: 101, webSocket: client, headers })
  }

  /** After sleep or crash: sockets that are still there go on, rows without a socket are of connections that are gone. */
  restore(stored: readonly StoredConnection[]): void {
    const { connections, host, store } = this.#deps
    const sockets = new Map<string, { socket: WebSocket; attachment: Attachment }>()
    for (const socket of host.getWebSockets()) {
      const attachment = readAttachment(socket)
      if (attachment !== undefined) sockets.set(attachment.id, { socket, attachment })
    }
    for (const one of stored) {
      const found = sockets.get(one.connectionId)
      if (found === undefined) store.delete(one.connectionId)
      else connections.add(this.#create(found.socket, found.attachment, one))
    }
  }

  async message(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const connection = this.#find(socket)
    if (connection === undefined) return closeSocket(socket, { kind: 'connection_gone' })
    if (!connection.isRigelV1) return this.#violation(connection, NOT_TWO_WAY)
    const small = typeof message === 'string' && message.length <= MAX_CLIENT_FRAME_CHARS
    const frame = small ? parseClientFrame(message) : undefined
    if (frame === undefined) return this.#violation(connection, 'Not a frame of rigel.v1.')
    if (frame.type === 'ack') return connection.acknowledge(frame.id)
    if (frame.type === 'token') return connection.send(await this.#renew(connection, frame))
    const set = await this.#subscribe(connection, frame)
    connection.send(
      set.ok ? encodeSubscribedFrame(frame.ref, set.value) : encodeErrorFrame(frame.ref, toHttp(set.reason).message),
    )
  }

  closed(socket: WebSocket): void {
    const connection = this.#find(socket)
    if (connection !== undefined) this.#deps.roster.forget(connection)
  }

  async #subscribe(
    connection: WebSocketConnection,
    frame: ClientFrame & { type: 'subscribe' },
  ): Promise<Result<readonly Subscription[], RigelError>> {
    const { check, rules, subscribing } = this.#deps
    const { connectionId, user } = connection.filter
    const hasToken = connection.endsByToken || user !== null
    if (!maySubscribe(check, hasToken)) return fail({ kind: 'subscription_denied' })
    const parsed = parseSubscriptions(frame.subscriptions, rules)
    if (!parsed.ok) return parsed
    const set = await subscribing.set(connectionId, parsed.value, { user, session: null, expSeconds: null }, [])
    return set.ok ? parsed : set
  }

  async #renew({ filter }: WebSocketConnection, { ref, token }: ClientFrame & { type: 'token' }): Promise<string> {
    const renewed = await this.#deps.renew(filter.connectionId, token)
    return renewed.ok ? encodeRenewedFrame(ref, renewed.value) : encodeErrorFrame(ref, toHttp(renewed.reason).message)
  }

  #create(socket: WebSocket, attachment: Attachment, stored: StoredConnection): WebSocketConnection {
    const { history, roster, waitingBytes } = this.#deps
    const onGone = (gone: WebSocketConnection) => roster.forget(gone)
    return new WebSocketConnection({ socket, attachment, terms: termsOf(stored), history, waitingBytes, onGone })
  }

  #find(socket: WebSocket): WebSocketConnection | undefined {
    const connection = this.#deps.connections.get(readAttachment(socket)?.id ?? '')
    return connection instanceof WebSocketConnection ? connection : undefined
  }

  #violation(connection: WebSocketConnection, message: string): void {
    this.#deps.roster.end(connection, { kind: 'protocol_violation', message })
  }
}
