// One schedule of the simulation: a deployment, its producers and clients, and faults, all by one seed. While it runs, calls
// are lost and objects crash; then the faults end, and everything that was confirmed must arrive.
import { parseConfig } from '../../src/config/parse-config.ts'
import { partitionName } from '../../src/core/events/kafka-record.ts'
import { nudgeFollowers } from '../../src/rpc/follower.ts'
import { directoryStub } from '../../src/rpc/directory.ts'
import { createRandom, type Random } from '../random.ts'
import { Client } from './client.ts'
import type { Clock } from './clock.ts'
import { Cluster } from './cluster.ts'
import { Counter } from './counter.ts'
import { runProducer } from './producer.ts'
import { RemoteKafka } from './remote-kafka.ts'
import { runRowProducer } from './row-producer.ts'
import { ROW_EXTRACTORS, ROW_RULES, Rows, TABLES } from './rows.ts'
import { changeGroups, changeShards, keepBusy, unsettledMap } from './shard-changes.ts'
import { RULES, type Simulation } from './simulation.ts'
import { TableClient } from './table-client.ts'

const TOPIC = 'rig'
const PARTITIONS = 2
const VARIABLES = {
  KAFKA_SOURCE_TOPICS: TOPIC,
  SHARDS: '3',
  // Figures are reported by timers of their own: they change no event's way.
  METRICS_PUSH_SECONDS: '0',
  KAFKA_PARTITIONS: String(PARTITIONS),
  JWT_SECRET_KEY: 'a secret of the simulation, 32 bytes',
  RECIPIENTS: '/data/to',
  LONGPOLLING_WAIT_SECONDS: '1',
}

/** A Kafka elsewhere, which TopicFollowers read. */
const REMOTE = {
  UPSTASH_KAFKA_REST_URL: 'https://kafka.internal',
  UPSTASH_KAFKA_REST_USERNAME: 'sim',
  UPSTASH_KAFKA_REST_PASSWORD: 'sim',
  KAFKA_AUTO_OFFSET_RESET: 'earliest',
}

/** In schedules with live tables. */
const TABLED = { TABLES: JSON.stringify(TABLES), EXTRACTORS: JSON.stringify(ROW_EXTRACTORS) }
const MAX_ROW_CHANGES = 12
const TABLES_SHARE = 0.2
/** A schedule without groups is what it was before there were any. */
const GROUPS_SEED = 0x6720_7570
const GROUPS_SHARE = 0.3

/** The period of the cron trigger. */
const CRON_EVERY_MS = 60_000
/** In schedules that change the number of shards, or their groups: events flow on past the retention. */
const GROWING = { maxPauseMs: 700, retentionSeconds: 2, maxShards: 6, changes: 3, withinMs: 5_000 }
/** In the others: an hour, within which nothing is dropped. */
const STEADY = { maxPauseMs: 60, retentionSeconds: 3_600 }

/** Until a Directory that lost its storage has been woken by the cron, and has asked the shards for what they want. */
const ASKED_MS = 2 * CRON_EVERY_MS
/** Events after a follower was replaced. */
const MAX_LATE_EVENTS = 6
const LATE_PRODUCER = 2

/** Simulated time until everything must have arrived after the faults have ended. */
const SETTLE_MS = 600_000
/** Faults end at the latest after this time. */
const FAULTS_MS = 1_500

export interface Outcome {
  readonly violations: readonly string[]
  readonly published: number
  readonly crashes: number
}

export async function runSchedule(seed: number, clock: Clock, use: (random: Random) => void): Promise<Outcome> {
  const random = createRandom(seed)
  use(random.fork())
  clock.reset()
  const isRemote = random.chance(0.25)
  const isGrowing = random.chance(0.5)
  const groups = createRandom(seed ^ GROUPS_SEED)
  const hasGroups = groups.chance(GROUPS_SHARE)
  const { maxPauseMs, retentionSeconds } = isGrowing || hasGroups ? GROWING : STEADY
  const kept = { LOG_RETENTION_SECONDS: String(retentionSeconds) }
  const isRuled = random.chance(0.5)
  // Its own numbers: a schedule without tables is what it was before there were any.
  const tables = createRandom(~seed)
  const hasTables = tables.chance(TABLES_SHARE)
  const rules = hasTables ? { ...RULES, ...ROW_RULES } : RULES
  const ruled: Record<string, string> = isRuled ? { TYPES: JSON.stringify(rules) } : {}
  const variables = { ...VARIABLES, ...(isRemote ? REMOTE : {}), ...kept, ...ruled, ...(hasTables ? TABLED : {}) }
  const config = parseConfig(variables)
  if (!config.ok) throw new Error(JSON.stringify(config.reason))
  const cluster = new Cluster(clock, random.fork(), variables)
  const simulation: Simulation = {
    clock,
    config: config.value,
    env: cluster.env(),
    topic: TOPIC,
    remote: isRemote ? new RemoteKafka(clock, random.fork(), TOPIC, PARTITIONS, () => cluster.faults) : null,
    published: [],
    confirmed: new Map(),
    rows: new Rows(),
    isRuled,
    violations: [],
    isEnding: false,
    groups: [],
    retentionMs: retentionSeconds * 1_000,
    maxPauseMs,
  }
  if (hasGroups) changeGroups(simulation, cluster, groups, variables)
  cluster.faults = random.pick([0, 0.02, 0.1, 0.3])
  wakeFollowers(simulation)
  const clients = Array.from(
    { length: 1 + random.below(3) },
    (_, n) => new Client(simulation, `client ${n}`, random.fork()),
  )
  const producers = Array.from({ length: 1 + random.below(2) }, (_, n) =>
    runProducer(simulation, n, random.below(12), random.fork()),
  )
  if (isGrowing) changeShards(simulation, random.fork(), GROWING)
  if (isGrowing || hasGroups) keepBusy(simulation, PARTITIONS)
  const counters = random.chance(0.3)
    ? []
    : Array.from(
        { length: 1 + random.below(2) },
        (_, n) => new Counter(simulation, `counter ${n}`, PARTITIONS, random.fork()),
      )
  const tableClients = hasTables ? startTables(simulation, cluster, producers, tables) : []
  const all = hasTables ? [...clients.slice(0, 1), ...counters.slice(0, 1), ...tableClients] : [...clients, ...counters]
  const running = all.map((client) => client.run())
  let isPublished = false
  void Promise.all(producers).then(() => (isPublished = true))
  const isDirectoryLost = random.chance(0.2)
  if (isDirectoryLost) {
    clock.schedule(random.below(FAULTS_MS), () => cluster.loseStorage('DIRECTORY', 'directory'))
  }
  const crashes = await injectCrashes(clock, cluster, random.fork(), () => isPublished)
  cluster.faults = 0
  cluster.fillCrashes = 0
  await clock.run(() => isPublished, clock.nowMs + SETTLE_MS)
  if (isDirectoryLost && isRemote && !isGrowing) {
    await replaceFollowers(simulation, cluster, random.fork())
  }
  simulation.isEnding = true
  let isDone = false
  void Promise.all(running).then(() => (isDone = true))
  const arrived = await clock.run(() => isDone, clock.nowMs + SETTLE_MS)
  const missing = arrived
    ? []
    : all.map((client) => `${client.name} lost ${client.missing().join(' ') || 'nothing, but hangs'}`)
  if (!isPublished) missing.push('a producer was never confirmed')
  const unsettled = isGrowing || hasGroups ? await unsettledMap(simulation, SETTLE_MS) : ''
  if (unsettled !== '') missing.push(`the change of shards does not end: ${unsettled}`)
  return {
    violations: [...simulation.violations, ...cluster.problems, ...missing],
    published: simulation.published.length,
    crashes,
  }
}

/** Adds producers of rows. Returns clients that show tables. */
function startTables(
  simulation: Simulation,
  cluster: Cluster,
  producers: Promise<void>[],
  random: Random,
): readonly TableClient[] {
  cluster.fillCrashes = random.pick([0, 0, 1, 3])
  for (let n = 0, count = 1 + random.below(2); n < count; n += 1)
    producers.push(runRowProducer(simulation, n, random.below(MAX_ROW_CHANGES), random.fork()))
  const count = 1 + random.below(3)
  return Array.from({ length: count }, (_, n) => new TableClient(simulation, `table ${n}`, random.fork()))
}

/**
 * After the Directory has lost its storage, the followers lose theirs and begin anew. They know what the new storage of
 * the Directory knows: what is published now arrives only if it has asked the shards for their interest.
 */
async function replaceFollowers(simulation: Simulation, cluster: Cluster, random: Random): Promise<void> {
  const { clock } = simulation
  await clock.run(() => false, clock.nowMs + ASKED_MS)
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    cluster.loseStorage('TOPIC_FOLLOWER', partitionName({ topic: TOPIC, partition }))
  let isPublished = false
  const count = 1 + random.below(MAX_LATE_EVENTS)
  void runProducer(simulation, LATE_PRODUCER, count, random).then(() => (isPublished = true))
  await clock.run(() => isPublished, clock.nowMs + SETTLE_MS)
}

/** Followers are woken by the cron; those of a Kafka elsewhere at once, too, by a request. */
function wakeFollowers({ clock, env, remote, topic }: Simulation): void {
  const wakes = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, isLate: false }))
  const wake = () => {
    void nudgeFollowers(env, wakes).catch(() => undefined)
    void directoryStub(env).refreshFollowers().catch(() => undefined) // prettier-ignore
  }
  if (remote !== null) {
    globalThis.fetch = (input, init) => remote.fetch(new Request(input, init))
    wake()
  }
  clock.repeat(CRON_EVERY_MS, wake)
}

/** Crashes objects at random times. Returns how many. */
async function injectCrashes(clock: Clock, cluster: Cluster, random: Random, isOver: () => boolean): Promise<number> {
  const most = random.pick([0, 0, 1, 3, 8])
  const endMs = clock.nowMs + FAULTS_MS
  let crashes = 0
  while (clock.nowMs < endMs && !isOver()) {
    const nextMs = clock.nowMs + 1 + random.below(Math.ceil(FAULTS_MS / 10))
    let isDue = false
    clock.schedule(nextMs - clock.nowMs, () => (isDue = true))
    if (!(await clock.run(() => isDue))) break
    if (crashes < most && cluster.crashOne() !== undefined) crashes += 1
  }
  return crashes
}
