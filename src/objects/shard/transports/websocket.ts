// The WebSocket transport: opens sockets, finds them again after hibernation or a crash, and handles what clients send.
import type { RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { fail, type Result } from '../../../core/result.ts'
import { inferSubscriptions, parseSubscriptions } from '../../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { keptAuthorization } from '../../../core/identity/kept-authorization.ts'
import { grantOf } from '../../../core/rules/type-grant.ts'
import { createTokenVerifier } from '../../../auth/verify-token.ts'
import type { ConnectionState, Opening } from '../connections/connection-state.ts'
import { refusalWithoutToken } from '../subscriptions/in-band-check.ts'
import {
  encodeErrorFrame,
  encodePassedFrame,
  encodeRenewedFrame,
  encodeSubscribedFrame,
  parseClientFrame,
  type ClientFrame,
} from './rigel-v1.ts'
import { Heartbeat } from './heartbeat.ts'
import { closeSocket, readAttachment, refuseSocket, upgradeResponse } from './socket.ts'
import type { Transport, TransportParts } from './transport.ts'
import { newRecord, restoreRecord, type SetsByText, type SocketRecord } from './socket-record.ts'
import { WebSocketConnection } from './websocket-connection.ts'

/** No frame of a client is larger: the largest is a set of subscriptions. */
const MAX_CLIENT_FRAME_CHARS = 262_144

const NOT_TWO_WAY = 'This WebSocket endpoint cannot be used for two-way communication.'

export class WebSocketTransport implements Transport {
  readonly #parts: TransportParts
  readonly #verifyToken: ReturnType<typeof createTokenVerifier>
  /** WEBSOCKET_HEARTBEAT_SECONDS. Undefined if it is 0: then the shard may sleep. */
  readonly #heartbeat: Heartbeat<WebSocketConnection> | undefined

  constructor(parts: TransportParts) {
    this.#parts = parts
    const periodMs = parts.context.config.connections.webSocketHeartbeatMs
    const beat = (connections: ReadonlySet<WebSocketConnection>) =>
      connections.forEach((connection) => connection.probe())
    this.#heartbeat = periodMs === 0 ? undefined : new Heartbeat(periodMs, beat)
    this.#verifyToken = createTokenVerifier(parts.context.config.jwt)
  }

  open(opening: Opening): Response {
    const { connect, state } = opening
    const { 0: client, 1: server } = new WebSocketPair()
    const protocol = connect.protocol === 'rigel.v1' ? 'rigel.v1' : 'plain'
    this.#parts.context.sockets.acceptWebSocket(server)
    const behindSeq = state.startSeq < this.#parts.log.committedSeq ? state.startSeq : null
    const record = newRecord(server, this.#parts.store, state.id, protocol, behindSeq, connect.authorization)
    const connection = this.#create(server, record, state)
    this.#parts.lifecycle.add(connection)
    this.#parts.lifecycle.greet(connection, opening)
    connection.readOn()
    record.opened()
    return upgradeResponse(client, connect.protocol)
  }

  refuse({ protocol }: ConnectRequest, reason: RigelError): Response {
    return refuseSocket(protocol, reason)
  }

  /** Sockets that are still there go on. A row without a socket is of a connection that is gone. */
  restore(stored: readonly ConnectionState[]): void {
    const { connections, context, lifecycle, store } = this.#parts
    const rows = new Map(stored.map((state) => [state.id, state]))
    const sets: SetsByText = new Map()
    for (const socket of context.sockets.getWebSockets()) {
      const found = restoreRecord(socket, store, rows, sets)
      if (found === undefined) continue
      rows.delete(found.state.id)
      const connection = this.#create(socket, found.record, found.state)
      connections.add(connection)
      // What it gets from its old shard was being read in memory: it comes back with the position that it has.
      if (found.state.pinned === null) connection.readOn()
      else lifecycle.end(connection, { kind: 'moved' })
    }
    for (const id of rows.keys()) store.delete(id)
  }

  async onMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const connection = this.#find(socket)
    if (connection === undefined) return closeSocket(socket, { kind: 'connection_gone' })
    if (!connection.isRigelV1) return this.#endForViolation(connection, NOT_TWO_WAY)
    // Before the frame is parsed: refusing costs as much as subscribing.
    if (this.#parts.changeRate.isFlooding(connection)) return this.#parts.changeRate.endFlooding(connection)
    const isSmall = typeof message === 'string' && message.length <= MAX_CLIENT_FRAME_CHARS
    const parsed = isSmall ? parseClientFrame(message) : fail(`text of at most ${MAX_CLIENT_FRAME_CHARS} characters`)
    if (!parsed.ok) return this.#endForViolation(connection, `Not a frame of rigel.v1: ${parsed.reason}.`)
    const frame = parsed.value
    if (frame.type === 'ack') return connection.acknowledge(frame.id)
    connection.sendFrame(await this.#answer(connection, frame))
  }

  #answer(connection: WebSocketConnection, frame: Exclude<ClientFrame, { type: 'ack' }>): Promise<string> {
    if (frame.type === 'token') return this.#renew(connection, frame)
    return frame.type === 'passed' ? this.#tellPassed(connection, frame) : this.#subscribe(connection, frame)
  }

  /** Returns the frame that answers. */
  async #tellPassed(
    connection: WebSocketConnection,
    { offsets, ref }: ClientFrame & { type: 'passed' },
  ): Promise<string> {
    const passed = await this.#parts.passedOffsets.wait(connection.state.id, offsets)
    return passed.ok ? encodePassedFrame(connection.position, offsets, ref) : encodeErrorFrame(ref, passed.reason)
  }

  onClose(socket: WebSocket): void {
    const connection = this.#find(socket)
    if (connection !== undefined) this.#parts.lifecycle.remove(connection)
  }

  sweep(): null {
    return null
  }

  /** Returns the frame that answers. */
  async #subscribe(connection: WebSocketConnection, frame: ClientFrame & { type: 'subscribe' }): Promise<string> {
    const set = await this.#replaceSubscriptions(connection, frame)
    return set.ok ? encodeSubscribedFrame(frame.ref, set.value) : encodeErrorFrame(frame.ref, set.reason)
  }

  async #replaceSubscriptions(
    connection: WebSocketConnection,
    { as_of: asOf, subscriptions: wanted }: ClientFrame & { type: 'subscribe' },
  ): Promise<Result<readonly Subscription[], RigelError>> {
    const { connections, extractors, subscriptionCheck, widenUnknown } = this.#parts.context.config
    const { state } = connection
    const refusal = refusalWithoutToken(subscriptionCheck, state.hasToken)
    if (refusal !== undefined) return fail(refusal)
    const parsed = parseSubscriptions(wanted, { limit: connections.subscriptions, extractors, widenUnknown })
    if (!parsed.ok) return parsed
    const principal = { user: state.owner.user, session: null, expSeconds: null }
    const askService = () => this.#parts.inBandCheck.refusalOf(parsed.value, connection.authorization)
    const isAsked = typeof subscriptionCheck === 'object'
    const change = {
      subscriptions: parsed.value,
      inferred: [],
      principal,
      asOf,
      ...(isAsked ? { askService } : {}),
    }
    const replaced = await this.#parts.subscriptions.replace(state.id, change)
    return replaced.ok ? parsed : replaced
  }

  /** Returns the frame that answers. */
  async #renew(connection: WebSocketConnection, frame: ClientFrame & { type: 'token' }): Promise<string> {
    const { changeRate, inBandCheck } = this.#parts
    // Verifying a token costs more than anything else that a client can ask for here.
    if (!changeRate.mayChange(connection, 0)) {
      await changeRate.waitToRefuse(connection)
      return encodeErrorFrame(frame.ref, { kind: 'rate_limited' })
    }
    // In turn: a check service is asked about what the client subscribes to next with the new token.
    const renewed = await inBandCheck.inTurn(connection, () => this.#renewBy(frame.token, connection))
    return renewed.ok ? encodeRenewedFrame(frame.ref, renewed.value) : encodeErrorFrame(frame.ref, renewed.reason)
  }

  async #renewBy(token: string, { state }: WebSocketConnection): Promise<Result<number, RigelError>> {
    const verified = await this.#verifyToken(token)
    if (!verified.ok) return verified
    const { claims, principal } = verified.value
    const { extractors, phoenix, subscriptionCheck, typeRules } = this.#parts.context.config
    const granted = grantOf(typeRules, phoenix.rolesField, claims, true)
    if (!granted.ok) return fail({ kind: 'invalid_token', message: granted.reason })
    const inferred = inferSubscriptions(extractors, claims)
    const kept = typeof subscriptionCheck === 'object' ? keptAuthorization(token) : undefined
    return this.#parts.renewal.renew(state.id, principal, inferred, claims, granted.value, kept)
  }

  #create(socket: WebSocket, record: SocketRecord, state: ConnectionState): WebSocketConnection {
    const connection = new WebSocketConnection(socket, record, state, this.#parts, this.#onRemoved)
    this.#heartbeat?.add(connection)
    return connection
  }

  readonly #onRemoved = (connection: WebSocketConnection) => {
    this.#heartbeat?.delete(connection)
  }

  #find(socket: WebSocket): WebSocketConnection | undefined {
    const found = this.#parts.connections.get(readAttachment(socket)?.id ?? '')
    return found instanceof WebSocketConnection ? found : undefined
  }

  #endForViolation(connection: WebSocketConnection, message: string): void {
    this.#parts.lifecycle.end(connection, { kind: 'protocol_violation', message })
  }
}
