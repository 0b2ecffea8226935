// UserShard: the Durable Object that owns a share of the users: their log, their connections and what they subscribe to. An
// event is appended to the log first and then delivered. This file is the RPC surface; create-shard.ts composes the parts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { filterBatch, type AppendBatch } from '../../core/delivery/batch-codec.ts'
import { planDeliveries } from '../../core/delivery/fan-out-tree.ts'
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../../core/concurrency.ts'
import type { ConnectRequest, MergedPrincipal, Metadata, Principal } from '../../core/identity/principal.ts'
import { isObject, parseJson } from '../../core/json.ts'
import type { RigelError } from '../../core/errors.ts'
import type { TypeGrant } from '../../core/rules/type-grant.ts'
import { ok, type Result } from '../../core/result.ts'
import { fromRelayBatch, type RelayBatch } from '../../core/delivery/relay-batch.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { PresenceDiff } from '../../rpc/presence.ts'
import type { ShardAnswer, ShardQuestion } from '../../rpc/explain.ts'
import { createReporter } from '../../rpc/metrics.ts'
import type { ShardMap } from '../../core/shard-map/shard-map.ts'
import type { MovedChunk, MovedPosition, MovedRead } from '../../rpc/moved-history.ts'
import {
  createShardSender,
  readConnect,
  stampError,
  type FillBatch,
  type HistoryPage,
  type HistoryRequest,
  type PollAnswer,
} from '../../rpc/shard.ts'
import type { AnyShardResult, ConnectionInfo, ShardCommand, ShardPage } from '../../rpc/shard-commands.ts'
import type { ConnectionQuery } from '../../rpc/shard-commands.ts'
import { AlarmClock } from './alarm-clock.ts'
import { isElsewhere, openConnection, openSession } from './connections/open-connection.ts'
import { createShard, type Shard } from './create-shard.ts'
import { findMovedPosition, readMoved } from './log/moved-history.ts'
import { readHistory } from './log/read-history.ts'
import { createContext } from './shard-context.ts'
import { envelope, offsetsPassed } from './system-events.ts'
import type { PollResult } from './transports/phoenix/outbox.ts'
import { answerClose, closeSocket, readAttachment } from './transports/socket.ts'

const RUNTIME = { now: () => Date.now(), random: () => Math.random(), uuid: () => crypto.randomUUID() }

export class UserShard extends DurableObject<Env> {
  readonly #number = Number(this.ctx.id.name?.replace('shard-', ''))
  readonly #alarm = new AlarmClock(this.ctx.storage)
  readonly #reporter = createReporter(this.env, configOf(this.env), {
    source: `shard ${this.#number}`,
    nowMs: () => Date.now(),
    values: () => this.#shard.values(),
  })
  readonly #shard: Shard

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    this.#shard = createShard(createContext(ctx, env, this.#number, this.#alarm, this.#reporter, RUNTIME))
    void ctx.blockConcurrencyWhile(() => this.#alarm.load())
  }

  /** Opens a connection. The request is one that `stampConnect` made. */
  override async fetch(request: Request): Promise<Response> {
    const connect = readConnect(request)
    if (connect === undefined) return new Response('Not opened by the Worker.', { status: 403 })
    const transport = this.#shard.transports[connect.transport]
    const opened = await openConnection(this.#shard, connect, 'socket', (opening) => transport.open(opening))
    if (opened.ok) return opened.value.response
    return isElsewhere(opened.reason) ? stampError(opened.reason) : transport.refuse(connect, opened.reason)
  }

  /** Stores what has not been stored yet, then delivers it. Resolves when it is durable. Idempotent. */
  async append(batches: readonly AppendBatch[]): Promise<void> {
    const wanted = batches.map((batch) => this.#wantedOf(batch))
    if (wanted.every(({ packs }) => packs.length === 0)) return
    const startedMs = Date.now()
    const appending = this.#shard.log.append(wanted)
    // An await takes a microtask also for what has ended.
    if (appending !== undefined) await appending
    this.#shard.metrics.appended(wanted, Date.now() - startedMs)
    this.#shard.maintenance.appended()
  }

  /** Takes rows of tables from before this shard wanted them. Idempotent. */
  async fillTables(batch: FillBatch): Promise<void> {
    this.#shard.tables.add(batch)
    await this.ctx.storage.sync()
  }

  /** Declares all interest to a Directory that has lost its storage. `epoch` names its new one. */
  async declareInterest(epoch: string): Promise<void> {
    await this.#shard.interests.declareAnew(epoch)
  }

  /** Appends this shard's part of a batch and passes on the parts of others. Resolves or throws when all calls have ended. */
  async relay(batch: RelayBatch): Promise<void> {
    const sender = createShardSender(this.env)
    const append = (shard: number, own: AppendBatch) =>
      shard === this.#number ? this.append([own]) : sender.append(shard, own)
    const routed = fromRelayBatch(batch)
    const calls = planDeliveries({ ...sender, append }, batch, batch.fanOut, routed, this.#number)
    await runWithLimit(calls, MAX_CONCURRENT_CALLS)
  }

  /** Replaces the subscriptions of a connection. Resolves when the set is in force. `principal.user` is null without a token. */
  async setSubscriptions(
    connectionId: string,
    subscriptions: readonly Subscription[],
    principal: MergedPrincipal,
    inferred: readonly Subscription[] = [],
    asOf?: string,
    grant?: TypeGrant,
  ): Promise<Result<null, RigelError>> {
    return this.#shard.subscriptions.replace(connectionId, { subscriptions, principal, inferred, asOf, grant })
  }

  /** Resolves when the connection has been sent everything up to `offsets`, and `rig.passed`. */
  async tellPassed(connectionId: string, offsets: string, ref?: string): Promise<Result<null, RigelError>> {
    const passed = await this.#shard.passedOffsets.wait(connectionId, offsets)
    if (passed.ok) passed.value.send(offsetsPassed(envelope(this.#shard.context), offsets, ref))
    await this.#shard.log.settle()
    return passed.ok ? ok(null) : passed
  }

  async setMetadata(connectionId: string, metadata: Metadata, principal: Principal): Promise<Result<null, RigelError>> {
    const { admin, changeRate, connections, log } = this.#shard
    const set = admin.setMetadata(connectionId, metadata, principal)
    const connection = connections.get(connectionId)
    if (!set.ok && set.reason.kind === 'rate_limited' && connection !== undefined)
      await changeRate.waitToRefuse(connection)
    await log.settle()
    return set
  }

  /**
   * Takes a new token of the connection's user. `claims`: JSON of its claims, absent from Workers of earlier versions.
   * `authorization`: see `keptAuthorization`. Returns the new end of the connection, in milliseconds since the epoch.
   */
  async renewToken(
    connectionId: string,
    principal: Principal,
    inferred: readonly Subscription[],
    grant?: TypeGrant,
    claims?: string,
    authorization?: string | null,
  ): Promise<Result<number, RigelError>> {
    const parsed = claims === undefined ? undefined : parseJson(claims)
    const known = isObject(parsed) ? parsed : undefined
    return this.#shard.renewal.renew(connectionId, principal, inferred, known, grant, authorization)
  }

  async openLongpolling(
    principal: Principal,
    subscriptions: readonly Subscription[],
    lastEventId: string | null,
    inferred: readonly Subscription[] = [],
    atPosition = false,
    asOf?: string,
    shardMap?: ShardMap,
    sinceMs?: number,
    grant?: TypeGrant,
  ): Promise<Result<{ readonly connectionToken: string }, RigelError>> {
    const wanted = { principal, subscriptions, inferred, lastEventId, atPosition, asOf, shardMap, sinceMs, grant }
    const connect: ConnectRequest = { ...wanted, transport: 'longpolling', protocol: null, allowOrigin: '' }
    return openSession(this.#shard, connect, (opening) => this.#shard.transports.longpolling.open(opening))
  }

  /** Resolves when there are events after `lastEventId` (null: from the session's start), or without any after the wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<PollAnswer, RigelError>> {
    return this.#shard.transports.longpolling.poll(connectionId, lastEventId)
  }

  /** Returns a page of what is stored already. `lastEventId`: a position to read on from. */
  async readHistory(wanted: HistoryRequest, limit: number): Promise<Result<HistoryPage, RigelError>> {
    return readHistory(this.#shard, wanted, limit)
  }

  /** Opens a Phoenix session by long-polling. */
  async openPhoenixSession(connect: ConnectRequest): Promise<Result<{ readonly connectionToken: string }, RigelError>> {
    return openSession(this.#shard, connect, (opening) => this.#shard.transports.phoenix.openSession(opening))
  }

  async pollPhoenix(connectionId: string, cursor: number): Promise<PollResult> {
    return this.#shard.transports.phoenix.poll(connectionId, cursor)
  }

  /** Takes messages of a Phoenix client. Returns false if its session is gone. */
  async pushPhoenix(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    return this.#shard.transports.phoenix.push(connectionId, frames)
  }

  /** Runs a command on each of `shards`, this one among them. */
  async answer(command: ShardCommand, shards: readonly number[], fanOut: number): Promise<readonly AnyShardResult[]> {
    return this.#shard.admin.run(command, shards, fanOut)
  }

  /** Returns the selected connections whose ids are greater than `after`, in the order of ids, at most `limit`. */
  pageConnections(query: ConnectionQuery, after: string, limit: number): ShardPage<ConnectionInfo> {
    return this.#shard.admin.pageConnections(query, after, limit)
  }

  /** Returns the users whose names are greater than `after`, each with the number of connections. */
  pageUsers(after: string, limit: number): ShardPage<number> {
    return this.#shard.admin.pageUsers(after, limit)
  }

  /** Returns what happened to an event at this shard. */
  explain(question: ShardQuestion): ShardAnswer {
    return this.#shard.explain(question)
  }

  /** Called by the shard that a user has moved to: where the client may read on in this log. */
  findMovedPosition(position: string, subscriptions: readonly Subscription[]): MovedPosition | null {
    const { interests, logStore, proofs } = this.#shard
    const coversSince = (wanted: readonly Subscription[], seq: number) => interests.coversSince(wanted, seq)
    return findMovedPosition(logStore, coversSince, (text) => proofs.sinceOf(text), position, subscriptions)
  }

  /** Called by the shard that a user has moved to: what its client has not had. */
  readMoved(read: MovedRead): MovedChunk {
    return readMoved(this.#shard.logStore, read)
  }

  /** Called by a presence topic. Returns false if no connection here has joined it. */
  presenceChanged(topic: string, diff: PresenceDiff, version: number): boolean {
    return this.#shard.transports.phoenix.presenceChanged(topic, diff, version)
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const attachment = readAttachment(socket)
    if (attachment === undefined) return closeSocket(socket, { kind: 'connection_gone' })
    await this.#shard.transports[attachment.transport].onMessage(socket, message)
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    answerClose(socket, code, reason)
    this.#onClose(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#onClose(socket)
  }

  #onClose(socket: WebSocket): void {
    const attachment = readAttachment(socket)
    if (attachment !== undefined) this.#shard.transports[attachment.transport].onClose(socket)
  }

  override async alarm(): Promise<void> {
    this.#alarm.fired()
    await this.#shard.maintenance.sweep()
  }

  /** Followers know the types that this shard wants by a bitmap: they send some that it does not want. */
  #wantedOf(batch: AppendBatch): AppendBatch {
    const { interests, shardMap } = this.#shard
    const wantsType = (type: string) => interests.wants(type)
    const isWanted = shardMap.isGaining || batch.packs.every(({ broadcastTypes }) => broadcastTypes.every(wantsType))
    return isWanted ? batch : { ...batch, packs: batch.packs.flatMap((pack) => filterBatch(pack, wantsType)) }
  }
}
