// UserShard: the Durable Object that holds one shard's log, subscriptions and connections. Wiring: the log is
// shard-log.ts, what of it is durable settled-log.ts, interest interests.ts, who gets what connections.ts, and the wire
// one file per transport. Its door is door.ts; callers are the Worker (connect, subscribe, poll) and the followers (append).
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../config.ts'
import { formatConnectionToken } from '../core/connection-token.ts'
import type { AppendBatch } from '../core/event.ts'
import { createFilter } from '../core/filter.ts'
import type { ConnectRequest, Principal } from '../core/principal.ts'
import { toHttp, type Reason } from '../core/reasons.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { parseSubscriptions, type Subscription } from '../core/subscription.ts'
import { directoryStub } from '../directory/door.ts'
import { AlarmClock } from './alarm-clock.ts'
import type { Connection } from './connection.ts'
import { ConnectionStore, type StoredConnection } from './connection-store.ts'
import { Connections } from './connections.ts'
import { readConnect } from './door.ts'
import { Heartbeat } from './heartbeat.ts'
import { Interests } from './interests.ts'
import { LongpollingSession, type Polled } from './longpolling.ts'
import { termOf, termsOf, toStored, type Opening, type Wanted } from './opening.ts'
import { connectionCreated, subscriptionsSet, type OwnEvent, type Stamp } from './own-events.ts'
import { refuse } from './refusal.ts'
import { encodeErrorFrame, encodeSubscribedFrame, parseClientFrame, type ClientFrame } from './rigel-v1.ts'
import { SettledLog } from './settled-log.ts'
import { ShardLog } from './shard-log.ts'
import { SseConnection } from './sse.ts'
import { closeSocket, readAttachment, WebSocketConnection, type Attachment } from './websocket.ts'

/** A client's frame is an acknowledgement or a set of subscriptions; what is larger than this is neither. */
const MAX_CLIENT_FRAME_CHARS = 262_144

/** How long after something happened idle sessions, unwanted interests and stale positions are looked for, at most. */
const SWEEP_AFTER_MS = 900_000

const NOT_TWO_WAY = 'This WebSocket endpoint cannot be used for two-way communication.'

export class UserShard extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #limits = this.#config.connections
  readonly #shard = Number(this.ctx.id.name?.replace('shard-', ''))
  readonly #store = new ConnectionStore(this.ctx.storage.sql)
  readonly #connections = new Connections(this.#limits)
  readonly #shardLog = new ShardLog(this.ctx.storage, `${this.#shard}.${randomHex(6)}`, this.#config.log)
  readonly #log = new SettledLog(this.#shardLog, {
    sync: () => this.ctx.storage.sync(),
    deliver: (events) => this.#connections.deliver(events),
  })
  readonly #interests = new Interests(this.ctx.storage.sql, {
    change: async (gained, lost) => directoryStub(this.env).changeInterest(this.#shard, gained, lost),
    advanceLog: () => this.#shardLog.advance(),
  })
  readonly #heartbeat = new Heartbeat(this.#limits.heartbeatMs, () => this.#log.position(this.#log.settledSeq))
  readonly #alarm = new AlarmClock(this.ctx.storage)
  /** Idle sessions and unwanted interests are looked for often enough for the shortest time that either may last. */
  readonly #sweepAfterMs = Math.min(
    SWEEP_AFTER_MS,
    this.#limits.longpollingIdleMs / 2,
    this.#config.log.retentionMs / 2,
  )
  #markedSeq = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    this.#restore()
    void ctx.blockConcurrencyWhile(() => this.#alarm.load())
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
    await this.#log.append(batches, Date.now())
    if (this.#connections.size > 0) this.#sweepLater()
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
    const limit = this.#limits.subscriptions
    if (subscriptions.length > limit) return fail({ kind: 'too_many_subscriptions', limit, got: subscriptions.length })
    const declared = await this.#declare(subscriptions)
    if (!declared.ok) return declared
    const connection = this.#connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    this.#connections.resubscribe(connection, subscriptions)
    if (connection.transport !== 'sse') this.#store.setSubscriptions(connectionId, subscriptions)
    this.#tell(connection, subscriptionsSet(stamp(), subscriptions))
    await this.#log.settle()
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
    const stored = toStored('longpolling', opening.value)
    const session = this.#createSession(stored)
    this.#store.put(stored)
    this.#greet(session, opening.value)
    this.#add(session)
    await this.#log.settle()
    return ok({ connectionToken: this.#tokenOf(session) })
  }

  /** Answers when there are events after `lastEventId` (null: from the session's start), or with none after the configured wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<Polled, Reason>> {
    const session = this.#connections.get(connectionId)
    if (!(session instanceof LongpollingSession)) return fail({ kind: 'connection_gone' })
    session.seenAtMs = Date.now()
    const seq = this.#log.resumable(lastEventId ?? this.#log.position(session.startSeq))
    const polled = await session.poll(seq ?? this.#log.settledSeq, seq !== undefined)
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
    this.#alarm.rang()
    for (const connection of this.#connections.dueAt(nowMs)) {
      this.#end(connection, { kind: connection.endsByToken ? 'token_expired' : 'lifetime_reached' })
    }
    const sessionsLeft = this.#endIdleSessions(nowMs)
    this.#markPositions()
    const interestsLeft = await this.#sweepInterests(nowMs)
    if (sessionsLeft || interestsLeft) this.#sweepLater()
    if (this.#connections.size > 0) await this.#alarm.wakeBy(this.#connections.nextEndMs())
  }

  /** What must be known and agreed on before a connection exists: limits, interest, where to read on from. */
  async #open(wanted: Wanted): Promise<Result<Opening, Reason>> {
    const { principal, subscriptions, lastEventId } = wanted
    const nowMs = Date.now()
    const admitted = this.#connections.admit(nowMs)
    if (!admitted.ok) return admitted
    const term = termOf(principal, this.#limits.lifetimeMs, nowMs, Math.random())
    if (term === undefined) return fail({ kind: 'token_expired' })
    const resumedSeq = lastEventId === null ? undefined : this.#log.resumable(lastEventId)
    const covered = resumedSeq !== undefined && this.#interests.cover(subscriptions, resumedSeq)
    const declared = await this.#declare(subscriptions)
    if (!declared.ok) return declared
    return ok({
      ...term,
      wanted,
      filter: createFilter(randomHex(16), principal.user, subscriptions),
      startSeq: resumedSeq ?? this.#log.settledSeq,
      recovered: lastEventId === null ? null : covered,
    })
  }

  async #declare(subscriptions: readonly Subscription[]): Promise<Result<null, Reason>> {
    try {
      await this.#interests.ensure(subscriptions)
    } catch (error) {
      console.error({ message: 'interest not declared', shard: this.#shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed just now, come back.' })
    }
    await this.#log.settle()
    return ok(null)
  }

  #openSse(connect: ConnectRequest, opening: Opening): Response {
    const connection: SseConnection = new SseConnection({
      terms: opening,
      history: this.#log,
      seq: opening.startSeq,
      waitingBytes: this.#limits.waitingBytes,
      reconnectMs: this.#limits.reconnectMs,
      allowOrigin: connect.allowOrigin,
      onGone: (gone) => this.#forget(gone),
      stamp,
    })
    this.#greet(connection, opening)
    connection.start()
    this.#add(connection)
    this.#heartbeat.add(connection)
    return connection.response
  }

  #openWebSocket(connect: ConnectRequest, opening: Opening): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    const { connectionId } = opening.filter
    const attachment: Attachment = {
      id: connectionId,
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
      terms: termsOf(stored),
      history: this.#log,
      waitingBytes: this.#limits.waitingBytes,
      onGone: (gone) => this.#forget(gone),
    })
  }

  #createSession(stored: StoredConnection): LongpollingSession {
    const { startSeq } = stored
    const options = { terms: termsOf(stored), startSeq, history: this.#log, waitMs: this.#limits.longpollingWaitMs }
    return new LongpollingSession(options, Date.now())
  }

  /** RIG's order: the create event first, then the subscriptions that are effective. */
  #greet(connection: Connection, opening: Opening): void {
    const created = {
      connectionToken: this.#tokenOf(connection),
      lastEventId: this.#log.position(opening.startSeq),
      recovered: opening.recovered,
    }
    this.#tell(connection, connectionCreated(stamp(), created))
    this.#tell(connection, subscriptionsSet(stamp(), opening.wanted.subscriptions))
  }

  /** A long-polling session has nothing to write to: what it is told stands in the log, addressed to it. */
  #tell(connection: Connection, event: OwnEvent): void {
    if (connection.transport !== 'longpolling') return connection.tell(event)
    this.#log.appendOwn(connection.filter.connectionId, event, Date.now())
  }

  async #subscribeInBand(connection: WebSocketConnection, frame: ClientFrame & { type: 'subscribe' }): Promise<void> {
    const rules = { limit: this.#limits.subscriptions, extractors: this.#config.extractors }
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

  #add(connection: Connection): void {
    this.#connections.add(connection)
    this.ctx.waitUntil(this.#alarm.wakeBy(connection.endsAtMs))
    if (connection.transport === 'longpolling') this.#sweepLater()
  }

  #forget(connection: Connection): void {
    this.#connections.remove(connection)
    if (connection instanceof SseConnection) this.#heartbeat.delete(connection)
    else this.#store.delete(connection.filter.connectionId)
    this.#sweepLater()
  }

  #end(connection: Connection, reason: Reason): void {
    connection.end(reason)
    this.#forget(connection)
  }

  /** Only what happened asks for a sweep: a shard where nothing happens is not woken. */
  #sweepLater(): void {
    this.ctx.waitUntil(this.#alarm.wakeBy(Date.now() + this.#sweepAfterMs))
  }

  /** Answers whether there are sessions left. */
  #endIdleSessions(nowMs: number): boolean {
    const sessions = [...this.#connections.all()].filter((connection) => connection instanceof LongpollingSession)
    const idle = sessions.filter((session) => session.isIdle(nowMs, this.#limits.longpollingIdleMs))
    for (const session of idle) this.#forget(session)
    return sessions.length > idle.length
  }

  /** Positions of quiet connections must not grow older than the log. */
  #markPositions(): void {
    if (this.#markedSeq === this.#log.settledSeq) return
    this.#markedSeq = this.#log.settledSeq
    for (const connection of this.#connections.all()) if (connection instanceof WebSocketConnection) connection.mark()
  }

  /** Answers whether there are interests left that nobody wants. The Directory may be out of reach: then it is tried again. */
  async #sweepInterests(nowMs: number): Promise<boolean> {
    try {
      return await this.#interests.sweep(
        (type) => this.#connections.wantsType(type),
        nowMs,
        this.#config.log.retentionMs,
      )
    } catch (error) {
      console.warn({ message: 'interest not withdrawn', shard: this.#shard, error: String(error) })
      return true
    }
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

  #tokenOf(connection: Connection): string {
    return formatConnectionToken({ shard: this.#shard, connectionId: connection.filter.connectionId })
  }
}

function stamp(): Stamp {
  return { id: crypto.randomUUID(), nowMs: Date.now() }
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
