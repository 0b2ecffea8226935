// Composes the parts of a shard: each is made from the ShardContext and from parts that were made before it.
import type { TransportName } from '../../core/identity/principal.ts'
import { connectingShards } from '../../core/shard-map/shard-map.ts'
import type { StoredEvent } from '../../core/events/stored-event.ts'
import { directoryStub } from '../../rpc/directory.ts'
import { isSourceTopic } from '../../config/sources/topic-roles.ts'
import { followerStub } from '../../rpc/follower.ts'
import { createAuthorizer } from '../../auth/external-authorizer.ts'
import { BufferBudget } from './buffer-budget.ts'
import { AdminCommands } from './admin-commands.ts'
import { AsOfJoins } from './subscriptions/as-of-joins.ts'
import { ChangeRateLimiter } from './subscriptions/change-rate-limiter.ts'
import { ConnectionAdmission } from './connections/admission.ts'
import type { Connection } from './connections/connection.ts'
import { ClientPositions } from './positions/client-positions.ts'
import { PositionProofs } from './positions/position-proofs.ts'
import { ConnectionLifecycle } from './connections/connection-lifecycle.ts'
import { ConnectionRegistry } from './connections/connection-registry.ts'
import { ConnectionHistory } from './explain/connection-history.ts'
import { explainEvent } from './explain/explain-event.ts'
import type { ShardQuestion } from '../../rpc/explain.ts'
import { ConnectionStore } from './connections/connection-store.ts'
import { TokenlessSessions } from './connections/tokenless-sessions.ts'
import { OldShardReader } from './old-shard/old-shard-reader.ts'
import { OpeningPace } from './connections/opening-pace.ts'
import { LeavingConnections } from './connections/leaving-connections.ts'
import { Resumptions } from './positions/resumption.ts'
import { KnownShardMap } from './known-shard-map.ts'
import { InterestRegistry } from './interest-registry.ts'
import { StoredHistory } from './log/history.ts'
import { CommittedLog } from './log/committed-log.ts'
import { decodeSegment } from './log/log-segment.ts'
import { LogStore, type IsExpired } from './log/log-store.ts'
import { Maintenance } from './maintenance.ts'
import { TokenRenewal } from './connections/renew-token.ts'
import { PayerPace } from './payer-pace.ts'
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
    basis: config.tablesBasis,
    newId: context.uuid,
    isExpired: expiryOf(context),
    onTooLarge: (type) => queueMicrotask(() => tables.tooLarge(type)),
    // In the turn of the append: both are stored, or none is.
    onReset: (type) => queueMicrotask(() => tables.fillAnew(type)),
  })
  const newEpoch = `${shard}.${context.randomHex(EPOCH_BYTES)}`
  const logStore = new LogStore(storage, newEpoch, config.log, expiryOf(context), tableStore)
  const pause = () => scheduler.wait(0)
  const log = new CommittedLog(logStore, {
    now: context.now,
    sync: () => storage.sync(),
    isGated: () => connections.areGated,
    schedule: (ms, act) => void setTimeout(act, ms),
    pause,
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
    isWanted: (type) => connections.wantsType(type) || tables.has(type),
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
  const proofs = new PositionProofs(storage.sql, context.randomHex)
  const positions = new ClientPositions({ context, log, proofs })
  const serveTables = (connection: Connection) => tables.serveSoon(connection)
  const lifecycle = new ConnectionLifecycle(context, connections, log, metrics, history, serveTables, positions)
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
  const timers = new Timers(context.now)
  const oldShards = new OldShardReader(context, log, logStore, timers, shardMap)
  const resumptions = new Resumptions({ log, interests, shardMap, oldShards, proofs })
  const storedHistory = new StoredHistory({ log, store: logStore, interests, shardMap, now: context.now, pause })
  const admission = new ConnectionAdmission(context, {
    connections,
    log,
    interests,
    revocations,
    timers,
    asOfJoins,
    shardMap,
    resumptions,
    storedHistory,
    tables,
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
  const paced = { nowMs: context.now, after: (ms: number, act: () => void) => void timers.after(ms, act) }
  const openings = new OpeningPace({
    ...paced,
    perMinute: config.connections.perMinute,
    hasFlooded: (user) => changeRate.hasFlooded(user),
  })
  const parts = {
    connections,
    log,
    interests,
    revocations,
    lifecycle,
    positions,
    proofs,
    admission,
    timers,
    changeRate,
    asOfJoins,
    passedOffsets,
    inBandCheck,
    oldShards,
    storedHistory,
    tables,
    shardMap,
    resumptions,
  }
  const subscriptions = new SubscriptionUpdater(context, parts)
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
    transports: Object.values(transports),
    logStore,
  })
  const admin = new AdminCommands(context, { ...parts, history, logStore, leaving })
  restore(transports, store)
  for (const connection of connections.withTables()) tables.restored(connection)
  if (tableStore.types.length > 0) context.wakeBy(context.now() + 1_000)
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
    readings: new PayerPace(paced),
    transports,
    maintenance,
    admin,
  }
}

/** Undefined: no event expires before its retention. */
function expiryOf({ config: { typeRules }, now }: ShardContext): IsExpired | undefined {
  return typeRules?.hasLifetimes === true ? (type, storedMs) => typeRules.isExpired(type, storedMs, now()) : undefined
}

function restore(transports: Readonly<Record<TransportName, Transport>>, store: ConnectionStore): void {
  const stored = Map.groupBy(store.all(), ({ transport }) => transport)
  for (const [name, transport] of Object.entries(transports)) transport.restore(stored.get(name as TransportName) ?? [])
}
