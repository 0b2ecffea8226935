// UserShard: the Durable Object that holds one shard's log, subscriptions and connections. Wiring only: what it is made
// of stands in this folder, one file a part. Its door is door.ts; callers are the Worker (connect, subscribe, poll) and
// the followers (append).
import { toHex } from '../../core/bytes.ts'
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { formatConnectionToken } from '../../core/identity/connection-token.ts'
import { planDeliveries } from '../../core/delivery/fan-out-tree.ts'
import type { AppendBatch } from '../../core/delivery/batch-codec.ts'
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../../core/concurrency.ts'
import type { ConnectRequest, Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { ok, type Result } from '../../core/result.ts'
import { fromRelayBatch, type RelayBatch } from '../../core/delivery/relay-batch.ts'
import { inferSubscriptions } from '../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { directoryStub } from '../../rpc/directory.ts'
import { createTokenVerifier } from '../../auth/verify-token.ts'
import { submit } from '../../publishing/publish.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { presenceStub } from '../../rpc/presence.ts'
import type { PresenceDiff } from '../../rpc/presence.ts'
import { ConnectionAdmission } from './admission.ts'
import { AlarmClock } from './alarm-clock.ts'
import { CommandTree } from './command-tree.ts'
import type { ConnectionQuery } from '../../rpc/shard-commands.ts'
import type { Metadata } from '../../core/identity/principal.ts'
import { ConnectionStore } from './connection-store.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { broadcastCommand, readConnect, createShardSender, type PollAnswer } from '../../rpc/shard.ts'
import { Heartbeat } from './transports/heartbeat.ts'
import { InterestRegistry } from './interest-registry.ts'
import type { Opening, Wanted } from './connection-state.ts'
import type { EventEnvelope } from './system-events.ts'
import type { PollResult } from './transports/phoenix/outbox.ts'
import { Phoenix } from './transports/phoenix/phoenix-transport.ts'
import type { ConnectionInfo } from '../../rpc/shard-commands.ts'
import { AdminCommands } from './admin-commands.ts'
import { Polling } from './transports/longpoll-sessions.ts'
import type { AnyShardResult, ShardCommand } from '../../rpc/shard-commands.ts'
import { rejectedSocket } from './transports/rejected-socket.ts'
import { Renewal } from './renew-token.ts'
import { RevocationList } from './revocation-list.ts'
import { ConnectionLifecycle } from './connection-lifecycle.ts'
import { CommittedLog } from './log/committed-log.ts'
import { decodeSegment, LogStore } from './log/log-store.ts'
import { Sockets } from './transports/websocket-sessions.ts'
import { SseConnection } from './transports/sse.ts'
import { Subscribing } from './subscribe.ts'
import { Maintenance } from './maintenance.ts'

/** How long after something happened idle sessions, unwanted interests and stale positions are looked for, at most. */
const SWEEP_AFTER_MS = 900_000

export class UserShard extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #limits = this.#config.connections
  readonly #shard = Number(this.ctx.id.name?.replace('shard-', ''))
  readonly #store = new ConnectionStore(this.ctx.storage.sql)
  readonly #connections = new ConnectionRegistry(this.#limits)
  readonly #shardLog = new LogStore(this.ctx.storage, `${this.#shard}.${randomHex(6)}`, this.#config.log)
  readonly #log = new CommittedLog(this.#shardLog, {
    sync: () => this.ctx.storage.sync(),
    now: () => Date.now(),
    deliver: (segments) => {
      if (this.#connections.size > 0)
        this.#connections.deliver(segments.flatMap((segment) => [...decodeSegment(segment)]))
    },
  })
  readonly #interests = new InterestRegistry(this.ctx.storage.sql, {
    change: async (gained, lost) => directoryStub(this.env).changeInterest(this.#shard, gained, lost),
    advanceLog: () => this.#shardLog.advance(),
  })
  readonly #revocations = new RevocationList(this.ctx.storage.sql)
  readonly #alarm = new AlarmClock(this.ctx.storage)
  readonly #stamp = (): EventEnvelope => {
    return { id: crypto.randomUUID(), nowMs: Date.now(), specversion: this.#config.ownEventsSpecversion }
  }
  /** What the parts of the shard share. */
  readonly #parts = {
    shard: this.#shard,
    connections: this.#connections,
    store: this.#store,
    log: this.#log,
    interests: this.#interests,
    revocations: this.#revocations,
    stamp: this.#stamp,
  }
  readonly #wakeBy = (atMs: number) => this.ctx.waitUntil(this.#alarm.wakeBy(atMs))
  readonly #roster = new ConnectionLifecycle({
    ...this.#parts,
    heartbeat: new Heartbeat(this.#limits.heartbeatMs, () => this.#log.position(this.#log.committedSeq)),
    warningMs: this.#config.jwt.warningMs,
    wakeBy: this.#wakeBy,
    sweepLater: () => this.#sweepLater(),
  })
  readonly #admission = new ConnectionAdmission({ ...this.#parts, lifetimeMs: this.#limits.lifetimeMs })
  readonly #oversight = new AdminCommands({ ...this.#parts, roster: this.#roster })
  readonly #answering = new CommandTree({
    shard: this.#shard,
    oversight: this.#oversight,
    wakeBy: (atMs) => this.#alarm.wakeBy(atMs),
    askOthers: (question, shards, fanOut) => broadcastCommand(this.env, shards, question, fanOut),
  })
  readonly #subscribing = new Subscribing({
    ...this.#parts,
    limit: this.#limits.subscriptions,
    admission: this.#admission,
    roster: this.#roster,
  })
  readonly #renewal = new Renewal({
    ...this.#parts,
    lifetimeMs: this.#limits.lifetimeMs,
    subscribing: this.#subscribing,
    wakeBy: this.#wakeBy,
    now: () => Date.now(),
  })
  readonly #verifyToken = createTokenVerifier(this.#config.jwt)
  readonly #sockets = new Sockets({
    ...this.#parts,
    host: this.ctx,
    history: this.#log,
    waitingBytes: this.#limits.waitingBytes,
    rules: {
      limit: this.#limits.subscriptions,
      extractors: this.#config.extractors,
      widenUnknown: this.#config.widenUnknown,
    },
    check: this.#config.subscriptionCheck,
    roster: this.#roster,
    subscribing: this.#subscribing,
    renew: async (connectionId, token) => {
      const verified = await this.#verifyToken(token)
      return verified.ok
        ? this.#renewal.renew(
            connectionId,
            verified.value.principal,
            inferSubscriptions(this.#config.extractors, verified.value.claims),
          )
        : verified
    },
  })
  readonly #polling = new Polling({
    ...this.#parts,
    waitMs: this.#limits.longpollingWaitMs,
    roster: this.#roster,
    now: () => Date.now(),
  })
  readonly #phoenix = new Phoenix({
    ...this.#parts,
    sql: this.ctx.storage.sql,
    host: this.ctx,
    rules: {
      extractors: this.#config.extractors,
      widenUnknown: this.#config.widenUnknown,
      privilegedRoles: this.#config.phoenix.privilegedRoles,
      check: this.#config.subscriptionCheck,
    },
    limit: this.#limits.subscriptions,
    timeoutMs: this.#config.phoenix.timeoutMs,
    waitingChars: this.#limits.waitingBytes,
    admission: this.#admission,
    roster: this.#roster,
    submit: (payload, hasToken) =>
      submit(payload, hasToken, this.#config, () => createKafkaLog(this.env, this.#config)),
    presence: {
      shard: this.#shard,
      enter: (topic, entering) => presenceStub(this.env, topic).enter(entering),
      leave: (topic, connectionId, atOnce) => presenceStub(this.env, topic).leave(connectionId, atOnce),
      watch: async (topic, shard) => presenceStub(this.env, topic).watch(shard),
      background: (work) => this.ctx.waitUntil(work.catch((error) => console.warn('presence not told', error))),
      now: () => Date.now(),
    },
    wakeBy: this.#wakeBy,
    now: () => Date.now(),
  })
  readonly #sweeper = new Maintenance({
    ...this.#parts,
    longpollingIdleMs: this.#limits.longpollingIdleMs,
    lingerMs: this.#config.log.retentionMs,
    roster: this.#roster,
  })
  /** Idle sessions and unwanted interests are looked for often enough for the shortest time that either may last. */
  readonly #sweepAfterMs = Math.min(
    SWEEP_AFTER_MS,
    this.#limits.longpollingIdleMs / 2,
    this.#config.log.retentionMs / 2,
  )

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    const stored = Map.groupBy(this.#store.all(), ({ transport }) => transport)
    this.#sockets.restore(stored.get('ws') ?? [])
    this.#polling.restore(stored.get('longpolling') ?? [])
    this.#phoenix.restore()
    void ctx.blockConcurrencyWhile(() => this.#alarm.load())
  }

  /** Opens an SSE stream or a WebSocket: the request is one of stampConnect's. */
  override async fetch(request: Request): Promise<Response> {
    const connect = readConnect(request)
    if (connect === undefined) return new Response('Not opened by the Worker.', { status: 403 })
    const opening = await this.#open(connect)
    if (!opening.ok) return rejectedSocket(connect, opening.reason)
    if (connect.transport === 'phoenix') return this.#phoenix.openSocket(connect, opening.value)
    return connect.transport === 'ws'
      ? this.#sockets.open(connect, opening.value)
      : this.#openSse(connect, opening.value)
  }

  /** Stores what it has not seen yet, then delivers it. Resolves when it is durable. Doing it twice does no harm. */
  async append(batches: readonly AppendBatch[]): Promise<void> {
    await this.#log.append(batches, Date.now())
    if (this.#connections.size > 0) this.#sweepLater()
  }

  /** For this shard and others: appends its own, passes on the rest. Resolves, or throws, when all of that has ended. */
  async relay(shipment: RelayBatch): Promise<void> {
    const away = createShardSender(this.env)
    const append = (shard: number, batch: AppendBatch) =>
      shard === this.#shard ? this.append([batch]) : away.append(shard, batch)
    const routes = fromRelayBatch(shipment)
    await runWithLimit(
      planDeliveries({ ...away, append }, shipment, shipment.fanOut, routes, this.#shard),
      MAX_CONCURRENT_CALLS,
    )
  }

  /** Replaces the subscriptions of a connection; resolves when the set is effective. `principal.user` null: no token came with it. */
  async setSubscriptions(
    connectionId: string,
    subscriptions: readonly Subscription[],
    principal: Principal,
    inferred: readonly Subscription[] = [],
  ): Promise<Result<null, RigelError>> {
    return this.#subscribing.set(connectionId, subscriptions, principal, inferred)
  }

  /** Replaces a connection's metadata. */
  async setMetadata(connectionId: string, metadata: Metadata, principal: Principal): Promise<Result<null, RigelError>> {
    const set = this.#oversight.describe(connectionId, metadata, principal)
    await this.#log.settle()
    return set
  }

  /** A new token of the connection's user; answers when the connection ends now. */
  async renewToken(
    connectionId: string,
    principal: Principal,
    inferred: readonly Subscription[],
  ): Promise<Result<number, RigelError>> {
    return this.#renewal.renew(connectionId, principal, inferred)
  }

  /** A new long-polling session. */
  async openLongpolling(
    principal: Principal,
    subscriptions: readonly Subscription[],
    lastEventId: string | null,
    inferred: readonly Subscription[] = [],
  ): Promise<Result<{ readonly connectionToken: string }, RigelError>> {
    const opening = await this.#open({ principal, subscriptions, inferred, lastEventId })
    if (!opening.ok) return opening
    return ok({ connectionToken: await this.#polling.open(opening.value) })
  }

  /** Answers when there are events after `lastEventId` (null: from the session's start), or with none after the configured wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<PollAnswer, RigelError>> {
    return this.#polling.poll(connectionId, lastEventId)
  }

  /** A new Phoenix session by long-polling; answers its connection id. */
  async openPhoenixSession(connect: ConnectRequest): Promise<Result<{ readonly connectionToken: string }, RigelError>> {
    const opening = await this.#open(connect)
    if (!opening.ok) return opening
    const connectionId = this.#phoenix.openSession(connect, opening.value)
    return ok({ connectionToken: formatConnectionToken({ shard: this.#shard, connectionId }) })
  }

  async pollPhoenix(connectionId: string, cursor: number): Promise<PollResult> {
    return this.#phoenix.poll(connectionId, cursor)
  }

  /** Messages of a client; false: its session is gone. */
  async pushPhoenix(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    return this.#phoenix.push(connectionId, frames)
  }

  /** For this shard and others: what each of `shards` answers. */
  async answer(question: ShardCommand, shards: readonly number[], fanOut: number): Promise<readonly AnyShardResult[]> {
    return this.#answering.answer(question, shards, fanOut)
  }

  listConnections(query: ConnectionQuery, limit: number): readonly ConnectionInfo[] {
    return this.#oversight.list(query, limit)
  }

  /** User → how many connections. */
  listUsers(): ReadonlyMap<string, number> {
    return this.#connections.users()
  }

  /** From a presence topic. False: nobody here listens to it any more. */
  presenceChanged(topic: string, diff: PresenceDiff): boolean {
    return this.#phoenix.presenceChanged(topic, diff)
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (!(await this.#phoenix.message(socket, message))) await this.#sockets.message(socket, message)
  }

  override webSocketClose(socket: WebSocket): void {
    if (!this.#phoenix.closed(socket)) this.#sockets.closed(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.webSocketClose(socket)
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    this.#shardLog.trim(Date.now())
    this.#revocations.forgetExpired(Date.now())
    this.#phoenix.sweep(Date.now())
    if (await this.#sweeper.sweep(Date.now())) this.#sweepLater()
    if (this.#connections.size > 0) await this.#alarm.wakeBy(this.#connections.nextDueMs(this.#config.jwt.warningMs))
  }

  #open(wanted: Wanted): Promise<Result<Opening, RigelError>> {
    const chance = { nowMs: Date.now(), random: Math.random(), connectionId: randomHex(16) }
    return this.#admission.open(wanted, chance)
  }

  #openSse(connect: ConnectRequest, opening: Opening): Response {
    const connection: SseConnection = new SseConnection({
      terms: opening,
      history: this.#log,
      seq: opening.startSeq,
      waitingBytes: this.#limits.waitingBytes,
      reconnectMs: this.#limits.reconnectMs,
      allowOrigin: connect.allowOrigin,
      allowCredentials: connect.allowCredentials ?? false,
      onGone: (gone) => this.#roster.forget(gone),
      stamp: this.#stamp,
    })
    this.#roster.greet(connection, opening)
    connection.start()
    this.#roster.add(connection)
    return connection.response
  }

  #sweepLater(): void {
    this.ctx.waitUntil(this.#alarm.wakeBy(Date.now() + this.#sweepAfterMs))
  }
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)))
}
