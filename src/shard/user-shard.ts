// UserShard: the Durable Object that holds one shard's log, subscriptions and connections. Wiring: the log is
// shard-log.ts, interest is interests.ts, who gets what is connections.ts, the wire is one file per transport.
// Its door is door.ts; callers are the Worker (connect, subscribe, poll) and the followers (append).
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../config.ts'
import { formatConnectionToken } from '../core/connection-token.ts'
import type { AppendBatch, StoredEvent } from '../core/event.ts'
import { createFilter } from '../core/filter.ts'
import type { ConnectRequest, Principal } from '../core/principal.ts'
import { toClose, toHttp, type Reason } from '../core/reasons.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { parseSubscriptions, type Subscription } from '../core/subscription.ts'
import { directoryStub } from '../directory/door.ts'
import type { Connection, History } from './connection.ts'
import { ConnectionStore, type StoredConnection } from './connection-store.ts'
import { Connections } from './connections.ts'
import { readConnect } from './door.ts'
import { Heartbeat } from './heartbeat.ts'
import { Interests } from './interests.ts'
import { LongpollingSession, type Polled } from './longpolling.ts'
import { connectionCreated, subscriptionsSet, type OwnEvent } from './own-events.ts'
import { encodeErrorFrame, encodeSubscribedFrame, parseClientFrame, type ClientFrame } from './rigel-v1.ts'
import { ShardLog } from './shard-log.ts'
import { SseConnection } from './sse.ts'
import { readAttachment, WebSocketConnection, type Attachment } from './websocket.ts'

/** A client's frame is an acknowledgement or a set of subscriptions; what is larger than this is neither. */
const MAX_CLIENT_FRAME_CHARS = 262_144

/** How often idle sessions and unwanted interests are looked for. */
const SWEEP_INTERVAL_MS = 60_000

/** Connections end this much earlier than their maximum lifetime, at random, so that they do not come back all at once. */
const LIFETIME_JITTER = 0.1

const NOT_TWO_WAY = 'This WebSocket endpoint cannot be used for two-way communication.'

/** What is known of a connection before there is one. */
interface Opening {
  readonly connectionId: string
  readonly subscriptions: readonly Subscription[]
  readonly principal: Principal
  readonly startSeq: number
  readonly recovered: boolean | null
  readonly endsAtMs: number
  readonly endsByToken: boolean
}

type Wanted = Pick<ConnectRequest, 'principal' | 'subscriptions' | 'lastEventId'>

export class UserShard extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #shard = Number(this.ctx.id.name?.replace('shard-', ''))
  readonly #log = new ShardLog(this.ctx.storage, `${this.#shard}.${randomHex(6)}`, this.#config.log)
  readonly #store = new ConnectionStore(this.ctx.storage.sql)
  readonly #connections = new Connections(this.#config.connections)
  readonly #interests = new Interests(this.ctx.storage.sql, {
    change: async (gained, lost) => directoryStub(this.env).changeInterest(this.#shard, gained, lost),
    advanceLog: () => this.#log.advance(),
  })
  readonly #heartbeat = new Heartbeat(this.#config.connections.heartbeatMs, () => this.#log.position(this.#settledSeq))
  /** Everything up to here is durable and delivered: the newest position that anybody is told. */
  #settledSeq = this.#log.head
  /** Appended and not settled yet, in order. */
  #pending: StoredEvent[] = []
  /** When the alarm is set for, as far as this life of the object knows. */
  #alarmAtMs = Infinity
  readonly #history: History

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#history = this.#readableHistory()
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    this.#restore()
  }

  /** Opens an SSE stream or a WebSocket: the request is one of stampConnect's. */
  override async fetch(request: Request): Promise<Response> {
    const connect = readConnect(request)
    if (connect === undefined) return new Response('Not opened by the Worker.', { status: 403 })
    const opening = await this.#open(connect)
    if (!opening.ok) return refuse(connect, opening.reason)
    return connect.transport === 'ws'
      ? this.#openWebSocket(connect, opening.value)
      : this.#openSse(connect, opening.value)
  }

  /** Stores what it has not seen yet, then delivers it. Resolves when it is durable. Doing it twice does no harm. */
  async append(batches: readonly AppendBatch[]): Promise<void> {
    this.#pending.push(...this.#log.append(batches, Date.now()))
    await this.#settle()
  }

  /** Replaces the subscriptions of a connection; resolves when the set is effective. `principal.user` null: no token came with it. */
  async setSubscriptions(
    connectionId: string,
    subscriptions: readonly Subscription[],
    principal: Principal,
  ): Promise<Result<null, Reason>> {
    const known = this.#connections.get(connectionId)
    if (known === undefined) return fail({ kind: 'connection_gone' })
    const owner = known.filter.user
    if (owner !== null && principal.user !== null && owner !== principal.user)
      return fail({ kind: 'foreign_connection' })
    const limit = this.#config.connections.subscriptions
    if (subscriptions.length > limit) return fail({ kind: 'too_many_subscriptions', limit, got: subscriptions.length })
    const declared = await this.#declare(subscriptions)
    if (!declared.ok) return declared
    const connection = this.#connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    this.#connections.resubscribe(connection, subscriptions)
    if (connection.transport !== 'sse') this.#store.setSubscriptions(connectionId, subscriptions)
    this.#tell(connection, subscriptionsSet(this.#stamp(), subscriptions))
    await this.#settle()
    return ok(null)
  }

  /** A new long-polling session. */
  async openLongpolling(
    principal: Principal,
    subscriptions: readonly Subscription[],
    lastEventId: string | null,
  ): Promise<Result<{ readonly connectionToken: string }, Reason>> {
    const opening = await this.#open({ principal, subscriptions, lastEventId })
    if (!opening.ok) return opening
    const session = this.#createSession(toStored('longpolling', opening.value))
    this.#store.put(toStored('longpolling', opening.value))
    this.#greet(session, opening.value)
    this.#add(session)
    await this.#settle()
    return ok({ connectionToken: this.#tokenOf(opening.value.connectionId) })
  }

  /** Answers when there are events after `lastEventId` (null: from the session's start), or with none after the configured wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<Polled, Reason>> {
    const session = this.#connections.get(connectionId)
    if (!(session instanceof LongpollingSession)) return fail({ kind: 'connection_gone' })
    session.seenAtMs = Date.now()
    const seq = this.#log.resumable(lastEventId ?? this.#log.position(session.startSeq))
    const polled = await session.poll(Math.min(seq ?? this.#settledSeq, this.#settledSeq), seq !== undefined)
    session.seenAtMs = Date.now()
    return polled
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const connection = this.#ofSocket(socket)
    if (connection === undefined) return closeSocket(socket, { kind: 'connection_gone' })
    if (!connection.isRigelV1) return this.#end(connection, { kind: 'protocol_violation', message: NOT_TWO_WAY })
    const small = typeof message === 'string' && message.length <= MAX_CLIENT_FRAME_CHARS
    const frame = small ? parseClientFrame(message) : undefined
    if (frame === undefined)
      return this.#end(connection, { kind: 'protocol_violation', message: 'Not a frame of rigel.v1.' })
    if (frame.type === 'ack') return connection.acknowledge(frame.id)
    await this.#subscribeInBand(connection, frame)
  }

  override webSocketClose(socket: WebSocket): void {
    this.#forgetSocket(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#forgetSocket(socket)
  }

  /** Ends what is due, and forgets what nobody comes back to. */
  override async alarm(): Promise<void> {
    const nowMs = Date.now()
    this.#alarmAtMs = Infinity
    for (const connection of this.#connections.dueAt(nowMs)) {
      this.#end(connection, { kind: connection.endsByToken ? 'token_expired' : 'lifetime_reached' })
    }
    this.#endIdleSessions(nowMs)
    for (const connection of this.#connections.all()) if (connection instanceof WebSocketConnection) connection.mark()
    const sweeping = this.#interests.sweep(
      (type) => this.#connections.wantsType(type),
      nowMs,
      this.#config.log.retentionMs,
    )
    // The Directory may be unreachable; what is still wanted there by mistake costs events that nobody reads, no more.
    await sweeping.catch((error: unknown) =>
      console.warn({ message: 'interest not withdrawn', shard: this.#shard, error: String(error) }),
    )
    await this.#schedule(Math.min(this.#connections.nextEndMs(), this.#nextSweepMs()))
  }

  /** What must be known and agreed on before a connection exists: limits, interest, where to read on from. */
  async #open(wanted: Wanted): Promise<Result<Opening, Reason>> {
    const { principal, subscriptions, lastEventId } = wanted
    const nowMs = Date.now()
    const admitted = this.#connections.admit(nowMs)
    if (!admitted.ok) return admitted
    const resumedSeq = lastEventId === null ? undefined : this.#log.resumable(lastEventId)
    const covered = resumedSeq !== undefined && this.#interests.cover(subscriptions, resumedSeq)
    const declared = await this.#declare(subscriptions)
    if (!declared.ok) return declared
    const lifetimeMs = this.#config.connections.lifetimeMs * (1 - LIFETIME_JITTER * Math.random())
    const tokenEndsAtMs = principal.expSeconds === null ? Infinity : principal.expSeconds * 1_000
    if (tokenEndsAtMs <= nowMs) return fail({ kind: 'token_expired' })
    return ok({
      connectionId: randomHex(16),
      subscriptions,
      principal,
      startSeq: Math.min(resumedSeq ?? this.#settledSeq, this.#settledSeq),
      recovered: lastEventId === null ? null : covered,
      endsAtMs: Math.min(tokenEndsAtMs, Math.round(nowMs + lifetimeMs)),
      endsByToken: tokenEndsAtMs <= nowMs + lifetimeMs,
    })
  }

  async #declare(subscriptions: readonly Subscription[]): Promise<Result<null, Reason>> {
    try {
      await this.#interests.ensure(subscriptions)
    } catch (error) {
      console.error({ message: 'interest not declared', shard: this.#shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed just now, come back.' })
    }
    await this.#settle()
    return ok(null)
  }

  #openSse(connect: ConnectRequest, opening: Opening): Response {
    const connection: SseConnection = new SseConnection({
      filter: createFilter(opening.connectionId, opening.principal.user, opening.subscriptions),
      endsAtMs: opening.endsAtMs,
      endsByToken: opening.endsByToken,
      history: this.#history,
      seq: opening.startSeq,
      waitingBytes: this.#config.connections.waitingBytes,
      reconnectMs: this.#config.connections.reconnectMs,
      allowOrigin: connect.allowOrigin,
      onGone: (gone) => this.#forget(gone),
      stamp: () => this.#stamp(),
    })
    this.#greet(connection, opening)
    connection.start()
    this.#add(connection)
    this.#heartbeat.add(connection)
    return connection.response
  }

  #openWebSocket(connect: ConnectRequest, opening: Opening): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    const attachment: Attachment = {
      id: opening.connectionId,
      protocol: connect.protocol ?? 'plain',
      behindSeq: opening.startSeq,
    }
    this.ctx.acceptWebSocket(server)
    server.serializeAttachment(attachment)
    const stored = toStored('ws', opening)
    this.#store.put(stored)
    const connection = this.#createWebSocket(server, attachment, stored)
    this.#greet(connection, opening)
    this.#add(connection)
    connection.replay()
    const headers = connect.protocol === null ? undefined : { 'sec-websocket-protocol': connect.protocol }
    return new Response(null, { status: 101, webSocket: client, headers })
  }

  #createWebSocket(socket: WebSocket, attachment: Attachment, stored: StoredConnection): WebSocketConnection {
    return new WebSocketConnection({
      socket,
      attachment,
      filter: createFilter(stored.connectionId, stored.user, stored.subscriptions),
      endsAtMs: stored.endsAtMs,
      endsByToken: stored.endsByToken,
      history: this.#history,
      waitingBytes: this.#config.connections.waitingBytes,
      onGone: (gone) => this.#forget(gone),
    })
  }

  #createSession(stored: StoredConnection): LongpollingSession {
    return new LongpollingSession(
      {
        filter: createFilter(stored.connectionId, stored.user, stored.subscriptions),
        endsAtMs: stored.endsAtMs,
        endsByToken: stored.endsByToken,
        startSeq: stored.startSeq,
        history: this.#history,
        waitMs: this.#config.connections.longpollingWaitMs,
      },
      Date.now(),
    )
  }

  /** RIG's order: the create event first, then the subscriptions that are effective. */
  #greet(connection: Connection, opening: Opening): void {
    const created = {
      connectionToken: this.#tokenOf(opening.connectionId),
      lastEventId: this.#log.position(opening.startSeq),
      recovered: opening.recovered,
    }
    this.#tell(connection, connectionCreated(this.#stamp(), created))
    this.#tell(connection, subscriptionsSet(this.#stamp(), opening.subscriptions))
  }

  /** A long-polling session has nothing to write to: what it is told stands in the log, addressed to it. */
  #tell(connection: Connection, event: OwnEvent): void {
    if (connection.transport !== 'longpolling') return connection.tell(event)
    this.#pending.push(this.#log.appendOwn(connection.filter.connectionId, event.type, event.json, Date.now()))
  }

  async #subscribeInBand(connection: WebSocketConnection, frame: ClientFrame & { type: 'subscribe' }): Promise<void> {
    const rules = { limit: this.#config.connections.subscriptions, extractors: this.#config.extractors }
    const parsed = parseSubscriptions(frame.subscriptions, rules)
    const { connectionId, user } = connection.filter
    const hasToken = connection.endsByToken || user !== null
    const denied = this.#config.subscriptionCheck === 'jwt_validation' && !hasToken
    const principal = { user, session: null, expSeconds: null }
    const set = denied
      ? fail<Reason>({ kind: 'subscription_denied' })
      : parsed.ok
        ? await this.setSubscriptions(connectionId, parsed.value, principal)
        : parsed
    if (!set.ok) return connection.send(encodeErrorFrame(frame.ref, toHttp(set.reason).message))
    connection.send(encodeSubscribedFrame(frame.ref, parsed.ok ? parsed.value : []))
  }

  /** Waits until what has been appended is durable, then delivers it, in order, whoever comes first. */
  async #settle(): Promise<void> {
    const upTo = this.#log.head
    if (upTo <= this.#settledSeq) return
    await this.ctx.storage.sync()
    if (upTo <= this.#settledSeq) return
    const durable = this.#pending.findIndex((event) => event.seq > upTo)
    const events = this.#pending.splice(0, durable === -1 ? this.#pending.length : durable)
    this.#settledSeq = upTo
    if (events.length > 0) this.#connections.deliver(events)
  }

  #add(connection: Connection): void {
    this.#connections.add(connection)
    const dueMs = Math.min(connection.endsAtMs, this.#nextSweepMs())
    if (dueMs < this.#alarmAtMs) this.ctx.waitUntil(this.#schedule(dueMs))
  }

  #forget(connection: Connection): void {
    this.#connections.remove(connection)
    if (connection instanceof SseConnection) this.#heartbeat.delete(connection)
    else this.#store.delete(connection.filter.connectionId)
  }

  #end(connection: Connection, reason: Reason): void {
    connection.end(reason)
    this.#forget(connection)
  }

  #endIdleSessions(nowMs: number): void {
    for (const connection of [...this.#connections.all()]) {
      if (!(connection instanceof LongpollingSession) || connection.isWaiting) continue
      if (nowMs - connection.seenAtMs >= this.#config.connections.longpollingIdleMs) this.#forget(connection)
    }
  }

  /** Infinity when there is nothing to look after: an empty shard sleeps for good. */
  #nextSweepMs(): number {
    return this.#connections.size > 0 || this.#interests.size > 0 ? Date.now() + SWEEP_INTERVAL_MS : Infinity
  }

  async #schedule(dueMs: number): Promise<void> {
    if (dueMs === Infinity) return
    this.#alarmAtMs = dueMs
    await this.ctx.storage.setAlarm(Math.max(dueMs, Date.now()))
  }

  /** After sleep or crash: sockets that are still there go on, rows without a socket are of connections that are gone. */
  #restore(): void {
    const sockets = new Map<string, { socket: WebSocket; attachment: Attachment }>()
    for (const socket of this.ctx.getWebSockets()) {
      const attachment = readAttachment(socket)
      if (attachment !== undefined) sockets.set(attachment.id, { socket, attachment })
    }
    for (const stored of this.#store.all()) {
      const found = sockets.get(stored.connectionId)
      if (stored.transport === 'longpolling') this.#connections.add(this.#createSession(stored))
      else if (found === undefined) this.#store.delete(stored.connectionId)
      else this.#connections.add(this.#createWebSocket(found.socket, found.attachment, stored))
    }
  }

  #ofSocket(socket: WebSocket): WebSocketConnection | undefined {
    const connection = this.#connections.get(readAttachment(socket)?.id ?? '')
    return connection instanceof WebSocketConnection ? connection : undefined
  }

  #forgetSocket(socket: WebSocket): void {
    const connection = this.#ofSocket(socket)
    if (connection !== undefined) this.#forget(connection)
  }

  #readableHistory(): History {
    const log = this.#log
    const settledSeq = (): number => this.#settledSeq
    return {
      get settledSeq() {
        return settledSeq()
      },
      get floorSeq() {
        return log.floor
      },
      position: (seq) => log.position(seq),
      read: (seq, maxChars) => log.read(seq, maxChars),
    }
  }

  #tokenOf(connectionId: string): string {
    return formatConnectionToken({ shard: this.#shard, connectionId })
  }

  #stamp(): { readonly id: string; readonly nowMs: number } {
    return { id: crypto.randomUUID(), nowMs: Date.now() }
  }
}

function toStored(transport: 'ws' | 'longpolling', opening: Opening): StoredConnection {
  const { connectionId, subscriptions, principal, startSeq, endsAtMs, endsByToken } = opening
  const { user, session } = principal
  return { connectionId, transport, user, session, endsAtMs, endsByToken, startSeq, subscriptions }
}

function refuse(connect: ConnectRequest, reason: Reason): Response {
  if (connect.transport !== 'ws') {
    const { status, message } = toHttp(reason)
    return new Response(message, { status, headers: { 'access-control-allow-origin': connect.allowOrigin } })
  }
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  closeSocket(server, reason)
  return new Response(null, { status: 101, webSocket: client })
}

function closeSocket(socket: WebSocket, reason: Reason): void {
  const close = toClose(reason)
  socket.close(close.code, close.reason)
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
