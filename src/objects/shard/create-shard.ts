// Composes the parts of a shard: each is made from the ShardContext and from parts that were made before it.
import type { ConnectRequest, TransportName } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { parsePosition } from '../../core/identity/position.ts'
import { connectingShards } from '../../core/shard-map/shard-map.ts'
import type { StoredEvent } from '../../core/events/stored-event.ts'
import { checkRights, rightsOf } from '../../core/rules/filter-rights.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { directoryStub } from '../../rpc/directory.ts'
import { isSourceTopic } from '../../config/parse-config.ts'
import type { HistoryPage, HistoryRequest } from '../../rpc/shard.ts'
import { followerStub } from '../../rpc/follower.ts'
import { createAuthorizer } from '../../auth/external-authorizer.ts'
import { BufferBudget } from './buffer-budget.ts'
import { AdminCommands } from './admin-commands.ts'
import { AsOfJoins } from './subscriptions/as-of-joins.ts'
import { ChangeRateLimiter } from './subscriptions/change-rate-limiter.ts'
import { ConnectionAdmission, givenOf } from './connections/admission.ts'
import { ConnectionLifecycle } from './connections/connection-lifecycle.ts'
import { ConnectionRegistry } from './connections/connection-registry.ts'
import { ConnectionHistory } from './explain/connection-history.ts'
import { explainEvent } from './explain/explain-event.ts'
import type { ShardQuestion } from '../../rpc/explain.ts'
import type { Opening } from './connections/connection-state.ts'
import { ConnectionStore } from './connections/connection-store.ts'
import { TokenlessSessions } from './connections/tokenless-sessions.ts'
import { OldShardReader } from './old-shard/old-shard-reader.ts'
import { OpeningPace } from './connections/opening-pace.ts'
import { LeavingConnections } from './connections/leaving-connections.ts'
import { Resumptions } from './connections/resumption.ts'
import { KnownShardMap } from './known-shard-map.ts'
import { InterestRegistry } from './interest-registry.ts'
import { StoredHistory } from './log/history.ts'
import { CommittedLog } from './log/committed-log.ts'
import { decodeSegment, LogStore, type IsExpired } from './log/log-store.ts'
import { Maintenance } from './maintenance.ts'
import { TokenRenewal } from './connections/renew-token.ts'
import { RevocationList } from './revocation-list.ts'
import type { ShardContext } from './shard-context.ts'
import { ShardMetrics } from './shard-metrics.ts'
import { InBandCheck } from './subscriptions/in-band-check.ts'
import { PassedOffsets } from './subscriptions/passed-offsets.ts'
import { SubscriptionUpdater } from './subscriptions/update-subscriptions.ts'
import { Timers } from './timers.ts'
import { TableFills } from './tables/fill-tables.ts'
import { LiveTables } from './tables/live-tables.ts'
import { TableStore } from './tables/table-store.ts'
import { createTransports } from './transports/registry.ts'
import type { Transport } from './transports/transport.ts'

const EPOCH_BYTES = 6

export type Shard = ReturnType<typeof createShard>

export function createShard(context: ShardContext) {
  const { config, env, shard, storage } = context
  const metrics = new ShardMetrics(context)
  const history = new ConnectionHistory(context.now)
  const onMatched = (event: StoredEvent, count: number) => metrics.matched(event, count)
  const connections = new ConnectionRegistry(config.connections, onMatched, config.typeRules)
  const tableStore = new TableStore(storage.sql, {
    rules: config.tables,
    newId: context.uuid,
    isExpired: expiryOf(context),
    onTooLarge: (type) => queueMicrotask(() => tables.tooLarge(type)),
  })
  const newEpoch = `${shard}.${context.randomHex(EPOCH_BYTES)}`
  const logStore = new LogStore(storage, newEpoch, config.log, expiryOf(context), tableStore)
  const log = new CommittedLog(logStore, {
    now: context.now,
    sync: () => storage.sync(),
    schedule: (ms, act) => void setTimeout(act, ms),
    pause: () => scheduler.wait(0),
    deliver: (segments) => {
      if (connections.size === 0) return 0
      const count = connections.deliver(segments.flatMap((segment) => [...decodeSegment(segment)]))
      asOfJoins.endPassed(connections, lifecycle)
      return count
    },
  })
  const advanceLog = () => logStore.advance()
  const interests = new InterestRegistry(storage.sql, {
    declare: async (declaration) => directoryStub(env).declareInterest({ ...declaration, shard }),
    limit: config.connections.eventTypes,
    isWanted: (type) => connections.wantsType(type),
    nowMs: context.now,
    inBackground: context.background,
    advanceLog,
  })
  const shardMap = new KnownShardMap(storage.sql, {
    shard,
    guess: config.shards,
    fetch: async () => directoryStub(env).shardMap(),
    advanceLog: () => {
      const head = advanceLog()
      // Positions that clients have must not stay behind the head: retention may drop what is before it.
      context.background(log.settle())
      return head
    },
    nowMs: context.now,
  })
  const partitions = async () => {
    // A Directory that has lost its storage, or has not been asked for anything yet, finds them first.
    await directoryStub(env).refreshFollowers()
    return directoryStub(env).followers()
  }
  const asOfJoins = new AsOfJoins({
    log: logStore,
    committedSeq: () => log.committedSeq,
    interestSince: (type) => interests.sinceOf(type),
    partitions,
    isFollowed: (topic) => isSourceTopic(config, topic),
    progress: async (at, offset) => followerStub(env, at).progress(offset),
    shards: () => connectingShards(shardMap.map),
    usersSince: () => shardMap.usersSince,
    nowMs: context.now,
  })
  const revocations = new RevocationList(storage.sql)
  const lifecycle = new ConnectionLifecycle(context, connections, log, metrics, history, (connection) =>
    tables.serveSoon(connection),
  )
  const timers = new Timers(context.now)
  const oldShards = new OldShardReader(context, log, logStore, timers)
  const resumptions = new Resumptions({ log, interests, shardMap, oldShards })
  const storedHistory = new StoredHistory({ log, store: logStore, interests, shardMap, now: context.now })
  const placing = { shardMap, resumptions }
  const admission = new ConnectionAdmission(context, connections, log, interests, revocations, timers, asOfJoins, {
    ...placing,
    history: storedHistory,
    tables: () => tables,
  })
  const fills = new TableFills({
    ...context,
    rules: config.tables,
    store: tableStore,
    log: logStore,
    partitions,
    fillTable: async (at, request) => followerStub(env, at).fillTable(request),
    changed: (type) => tables.changed(type),
    nowMs: context.now,
    sleep: (ms) => scheduler.wait(ms),
  })
  const tables: LiveTables = new LiveTables(context, {
    rules: config.tables,
    store: tableStore,
    fills,
    connections,
    lifecycle,
    log,
    mapVersion: () => shardMap.map.version,
  })
  const changeRate = new ChangeRateLimiter(context, lifecycle, timers)
  const passedOffsets = new PassedOffsets({
    facts: asOfJoins.facts,
    connections,
    log,
    timers,
    changeRate,
    isFollowed: (topic) => isSourceTopic(config, topic),
  })
  const inBandCheck = new InBandCheck(
    config.subscriptionCheck,
    createAuthorizer({
      timeoutMs: config.checkTimeoutMs,
      fetch: (input, init) => fetch(input, init),
      nowMs: context.now,
    }),
  )
  const openings = new OpeningPace({
    perMinute: config.connections.perMinute,
    nowMs: context.now,
    after: (ms, act) => void timers.after(ms, act),
    hasFlooded: (user) => changeRate.hasFlooded(user),
  })
  const parts = {
    connections,
    log,
    interests,
    revocations,
    lifecycle,
    admission,
    timers,
    changeRate,
    asOfJoins,
    passedOffsets,
    inBandCheck,
    oldShards,
    storedHistory,
    tables,
    ...placing,
  }
  const subscriptions = new SubscriptionUpdater(context, { ...parts, tables: () => tables })
  const renewal = new TokenRenewal(context, { ...parts, subscriptions })
  const store = new ConnectionStore(storage.sql)
  const buffers = new BufferBudget(context, connections, lifecycle)
  const tokenless = new TokenlessSessions(config.connections)
  const transportParts = { ...parts, context, store, subscriptions, renewal, buffers, tokenless, advanceLog }
  const transports = createTransports(transportParts)
  const leaving = new LeavingConnections(shard, connections, lifecycle, shardMap)
  const maintenance = new Maintenance(context, {
    ...parts,
    leaving,
    subscriptions,
    transports: Object.values(transports),
    trimLog: (nowMs) => logStore.trim(nowMs),
  })
  const admin = new AdminCommands(context, { ...parts, history, logStore, leaving })
  restore(transports, store)
  for (const connection of connections.withTables()) tables.serveSoon(connection)
  if (tableStore.isActive) context.wakeBy(context.now() + 1_000)
  const values = () => metrics.values(connections, logStore)
  const explained = { connections, history, logStore, tokenOf: (id: string) => lifecycle.tokenOf(id) }
  const explain = (question: ShardQuestion) => explainEvent(explained, question)
  return {
    ...parts,
    logStore,
    context,
    metrics,
    history,
    values,
    explain,
    subscriptions,
    renewal,
    tokenless,
    openings,
    transports,
    maintenance,
    admin,
  }
}

/** Opens a connection of `connect.transport`, in a way that its transport has. A session is a connection without a socket. */
export async function openConnection(
  shard: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
  open: (opening: Opening) => Response,
): Promise<Result<{ readonly connectionId: string; readonly response: Response }, RigelError>> {
  const admitted = await admit(shard, connect, way)
  if (!admitted.ok) {
    shard.metrics.refused(admitted.reason)
    shard.history.refused(connect.principal.user, admitted.reason)
    return admitted
  }
  return ok({ connectionId: admitted.value.state.id, response: open(admitted.value) })
}

async function admit(
  shard: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
): Promise<Result<Opening, RigelError>> {
  const placed = checkPlace(shard, connect, way)
  if (!placed.ok) return placed
  if (!(await shard.openings.enter(connect.principal.user, way)))
    return fail({ kind: 'too_many_connections', scope: 'minute' })
  const admitted = await shard.admission.admit(connect)
  if (!admitted.ok) return admitted
  // Others were admitted while this one waited.
  const still = shard.connections.check(connect.principal)
  if (!still.ok) return still
  const stillPlaced = checkPlace(shard, connect, way)
  return stillPlaced.ok ? admitted : stillPlaced
}

/** Returns a page of stored events. Refuses clients for which no connection would be opened. */
export async function readHistory(
  { admission, context, log, revocations, storedHistory }: Shard,
  wanted: HistoryRequest,
  limit: number,
): Promise<Result<HistoryPage, RigelError>> {
  const { lastEventId: after, principal, sinceMs = 0, subscriptions } = wanted
  const home = await admission.checkHome(wanted)
  if (!home.ok) return home
  const { session, user } = principal
  if (session !== null && revocations.has(session, context.now())) return fail({ kind: 'session_revoked', session })
  if (wanted.atPosition === true && !ownsPosition(log, after)) return fail({ kind: 'wrong_shard' })
  const rights = rightsOf(context.config.typeRules, [wanted.grant], Infinity)
  for (const action of ['subscribe', 'history'] as const) {
    const allowed = checkRights(rights, givenOf(wanted), action)
    if (!allowed.ok) return allowed
  }
  const page = storedHistory.page({ user, subscriptions, rights, after, sinceMs, limit })
  return page === undefined ? fail(OUTDATED) : ok(page)
}

/** Undefined: no event expires before its retention. */
function expiryOf({ config: { typeRules }, now }: ShardContext): IsExpired | undefined {
  return typeRules?.hasLifetimes === true ? (type, storedMs) => typeRules.isExpired(type, storedMs, now()) : undefined
}

const OUTDATED: RigelError = {
  kind: 'bad_request',
  message:
    'after is no position whose events are still kept: read from the beginning (without after), or from a time (since).',
}

function ownsPosition(log: CommittedLog, text: string | null): boolean {
  const position = parsePosition(text ?? '')
  return position !== undefined && log.owns(position)
}

function checkPlace(
  { context, log, tokenless }: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
): Result<null, RigelError> {
  const isElsewhere = connect.atPosition === true && !ownsPosition(log, connect.lastEventId)
  if (isElsewhere) return fail({ kind: 'wrong_shard' })
  return way === 'session' ? tokenless.check(connect, context.now()) : ok(null)
}

function restore(transports: Readonly<Record<TransportName, Transport>>, store: ConnectionStore): void {
  const stored = Map.groupBy(store.all(), ({ transport }) => transport)
  for (const [name, transport] of Object.entries(transports)) transport.restore(stored.get(name as TransportName) ?? [])
}
