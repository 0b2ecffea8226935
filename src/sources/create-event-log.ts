// The log over every source that is configured: one Kafka or the embedded log, NATS, and Kinesis. A topic's name says
// which source it is of. Called by followers, and by everything that publishes.
import { logIncident } from '../telemetry/incident-log.ts'
import type { Config } from '../config/parse-config.ts'
import { sourceOf, type SourceKind } from '../core/events/topic-source.ts'
import type { NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'
import { createKafkaLog } from '../kafka/create-kafka-log.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { followerStub } from '../rpc/follower.ts'
import { createKinesisLog } from './kinesis/kinesis-log.ts'
import { createNatsLog } from './nats/nats-log.ts'

/** Every source's log as one. Whether producing wakes followers differs by topic. */
export interface EventLog extends Omit<KafkaLog, 'wakesFollowers' | 'topics'> {
  /** Returns the names of all topics of Kafka; none of the embedded log. */
  topics(): Promise<readonly string[]>
}

const deps = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  newId: () => crypto.randomUUID(),
  sleep: (ms: number) => scheduler.wait(ms),
  fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init),
  warn: (message: string, details: Record<string, unknown>) =>
    logIncident(message, { topic: details['topic'] }, details),
}

/** Opens no connection. */
export function createEventLog(env: Env, config: Config): EventLog {
  const logOf = createSources(env, config, undefined)
  return {
    partitions: async (topic) => logOf(topic).partitions(topic),
    topics: async () => (await logOf('').topics?.()) ?? [],
    offsets: async (topic, partition) => logOf(topic).offsets(topic, partition),
    fetch: async (position, limits) => logOf(position.topic).fetch(position, limits),
    produce: (records) => produce(logOf, records),
  }
}

/**
 * Returns the log of one topic's source, for its follower. What is produced goes to the source of each record. `sql`
 * is the follower's storage.
 */
export function createSourceLog(env: Env, config: Config, topic: string, sql: SqlStorage): KafkaLog {
  const logOf = createSources(env, config, sql)
  return { ...logOf(topic), produce: (records) => produce(logOf, records) }
}

type LogOf = (topic: string) => KafkaLog

/** Creates a source's log when one of its topics is first used. */
function createSources(env: Env, config: Config, sql: SqlStorage | undefined): LogOf {
  const logs = new Map<SourceKind, KafkaLog>()
  return (topic) => {
    const { kind } = sourceOf(topic)
    const log = logs.get(kind) ?? createSource(env, config, kind, sql)
    logs.set(kind, log)
    return log
  }
}

function createSource(env: Env, config: Config, kind: SourceKind, sql: SqlStorage | undefined): KafkaLog {
  switch (kind) {
    case 'kafka':
      return createKafkaLog(env, config, sql)
    case 'nats':
      if (config.nats === null) throw new Error('NATS_SERVERS is not set: there is no NATS')
      return createNatsLog(env, config.nats, deps)
    case 'kinesis':
      return createKinesisLog(config.kinesis, { ...deps, isEnded: (topic, shard) => isEnded(env, topic, shard) })
  }
}

/** Returns whether a shard's follower has read it to the end. A follower that has never run has no counters. */
async function isEnded(env: Env, topic: string, partition: number): Promise<boolean> {
  const { counters } = await followerStub(env, { topic, partition }).status()
  return counters?.cursor === 'end'
}

/** Returns the places in the order of the records. Produces to all sources in parallel. */
async function produce(logOf: LogOf, records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
  const [first] = records
  if (first === undefined) return []
  if (records.every(({ topic }) => topic === first.topic)) return logOf(first.topic).produce(records)
  const kinds = new Set(records.map(({ topic }) => sourceOf(topic).kind))
  const places = new Map<NewRecord, ProducedRecord>()
  await Promise.all(
    [...kinds].map(async (kind) => {
      const own = records.filter(({ topic }) => sourceOf(topic).kind === kind)
      const produced = own[0] === undefined ? [] : await logOf(own[0].topic).produce(own)
      for (const [index, record] of own.entries()) {
        const place = produced[index]
        if (place !== undefined) places.set(record, place)
      }
    }),
  )
  return records.flatMap((record) => places.get(record) ?? [])
}
