// The KafkaLog of the embedded log: chooses the partition of each record and calls its Durable Object, one call a partition,
// which concurrent produces of the isolate share. A produce that fails may have stored the records of some partitions: with
// idempotency keys it can be tried again.
import { configOf } from '../config/parse-config.ts'
import {
  partitionName,
  type LogPosition,
  type NewRecord,
  type ProducedRecord,
  type TopicPartition,
} from '../core/events/kafka-record.ts'
import { choosePartition } from '../core/events/partitioner.ts'
import {
  embeddedBrokerStub,
  embeddedLogStub,
  MAX_RECORD_BYTES,
  sizeOf,
  type Appended,
  type KeyedRecord,
} from '../rpc/embedded-kafka.ts'
import { parseFollowerName } from '../rpc/follower.ts'
import { CallBatcher } from './call-batcher.ts'
import type { FetchLimits, KafkaLog } from './kafka-log.ts'

/**
 * Partitions of each topic. An isolate asks once: the number grows only with KAFKA_PARTITIONS, and then isolates are new. Numbers, not
 * promises: those belong to one request each.
 */
const partitionCounts = new Map<string, number>()

/** Bytes of records that travel in one call, unless one produce alone has more. A call takes 32 MiB. */
const MAX_CALL_BYTES = 4 * 1_048_576

/** Clock, randomness and lifetime of the request that the adapter works for. */
export interface EmbeddedAdapterDeps {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** In [0, 1). */
  random(): number
  /** Keeps the current request alive until `work` has ended, although its client may be gone. */
  keepAlive(work: Promise<unknown>): void
}

/** An isolate's batchers, by the bindings that its calls go through: tests replace bindings. */
const batchers = new WeakMap<Env, CallBatcher<readonly KeyedRecord[], readonly Appended[]>>()

/** Returns the KafkaLog of the embedded log. Its methods throw what the calls of the Durable Objects throw. */
export function createEmbeddedKafkaLog(env: Env, deps: EmbeddedAdapterDeps): KafkaLog {
  return {
    wakesFollowers: true,
    partitions: async (topic) => Array.from({ length: await countPartitions(env, topic) }, (_, partition) => partition),
    offsets: (topic, partition) => offsets(env, { topic, partition }),
    fetch: async (position, limits) => fetch(env, position, limits),
    produce: (records) => produce(env, records, deps),
  }
}

/** A partition that does not exist is empty: calling it would create its Durable Object. */
async function offsets(env: Env, at: TopicPartition) {
  if (at.partition >= (await countPartitions(env, at.topic))) return { earliest: 0, latest: 0 }
  return embeddedLogStub(env, at).offsets()
}

async function fetch(env: Env, position: LogPosition, limits: FetchLimits) {
  if (position.partition >= (await countPartitions(env, position.topic)))
    return { kind: 'unknown_topic_or_partition' as const }
  return embeddedLogStub(env, position).read(position.offset, limits)
}

async function countPartitions(env: Env, topic: string): Promise<number> {
  const known = partitionCounts.get(topic)
  if (known !== undefined) return known
  const count = await embeddedBrokerStub(env).ensureTopic(topic)
  // During a deploy an older broker answers with the number that it was configured with: it is asked again.
  if (count >= configOf(env).kafka.embedded.partitions) partitionCounts.set(topic, count)
  return count
}

interface PartitionBatch extends TopicPartition {
  readonly records: KeyedRecord[]
  /** The index of each record in the list that is produced. */
  readonly indexes: number[]
}

async function produce(
  env: Env,
  records: readonly NewRecord[],
  deps: EmbeddedAdapterDeps,
): Promise<readonly ProducedRecord[]> {
  const nowMs = deps.nowMs()
  const [only] = records
  if (only !== undefined && records.length === 1) return [await produceOne(env, only, deps, nowMs)]
  const places: ProducedRecord[] = []
  const batches = new Map<string, PartitionBatch>()
  /** Records without a key stay together within a call, as Kafka's sticky partitioner keeps them. */
  const sticky = deps.random()
  for (const [index, record] of records.entries()) {
    const keyed = toAppend(record, nowMs)
    const { topic } = record
    const partition = choosePartition(record, await countPartitions(env, topic), sticky)
    const key = partitionName({ topic, partition })
    const batch = batches.get(key) ?? { topic, partition, records: [], indexes: [] }
    batches.set(key, batch)
    batch.records.push(keyed)
    batch.indexes.push(index)
  }
  await Promise.all(
    [...batches.values()].map(async (batch) => {
      const appended = await batcherOf(env, deps).add(partitionName(batch), batch.records)
      for (const [at, index] of batch.indexes.entries()) {
        const { topic, partition } = batch
        const timestampMs = batch.records[at]?.timestampMs ?? nowMs
        const { offset = -1, duplicate = false } = appended[at] ?? {}
        places[index] = { topic, partition, offset, timestampMs, ...(duplicate ? { duplicate } : {}) }
      }
    }),
  )
  return places
}

/** Past the lists of what goes where: an event by itself is the usual request. */
async function produceOne(
  env: Env,
  record: NewRecord,
  deps: EmbeddedAdapterDeps,
  nowMs: number,
): Promise<ProducedRecord> {
  const keyed = toAppend(record, nowMs)
  const { topic } = record
  const count = partitionCounts.get(topic) ?? (await countPartitions(env, topic))
  const partition = choosePartition(record, count, deps.random())
  const [appended] = await batcherOf(env, deps).add(partitionName({ topic, partition }), [keyed])
  const { offset = -1, duplicate = false } = appended ?? {}
  const place = { topic, partition, offset, timestampMs: keyed.timestampMs }
  return duplicate ? { ...place, duplicate } : place
}

function batcherOf(env: Env, deps: EmbeddedAdapterDeps): CallBatcher<readonly KeyedRecord[], readonly Appended[]> {
  const known = batchers.get(env)
  if (known !== undefined) return known
  const batcher = new CallBatcher<readonly KeyedRecord[], readonly Appended[]>(
    {
      call: (name, requests) => appendGroup(env, parseFollowerName(name), requests),
      sizeOf: (records) => records.reduce((bytes, record) => bytes + sizeOf(record), 0),
      keepAlive: (work) => deps.keepAlive(work),
      schedule: (ms, act) => {
        const timer = setTimeout(act, ms)
        return () => clearTimeout(timer)
      },
    },
    MAX_CALL_BYTES,
  )
  batchers.set(env, batcher)
  return batcher
}

/** One call for the records of several requests. Returns the place of each record, by request. */
async function appendGroup(
  env: Env,
  at: TopicPartition,
  requests: readonly (readonly KeyedRecord[])[],
): Promise<readonly (readonly Appended[])[]> {
  const [only] = requests
  if (only !== undefined && requests.length === 1) return [await appendAll(env, at, only)]
  const places = await appendAll(env, at, requests.flat())
  let from = 0
  return requests.map(({ length }) => places.slice(from, (from += length)))
}

async function appendAll(env: Env, at: TopicPartition, records: readonly KeyedRecord[]): Promise<readonly Appended[]> {
  const log = embeddedLogStub(env, at)
  if (records.some(({ idempotencyKey }) => idempotencyKey !== undefined)) return log.appendOnce(records)
  const first = await log.append(records)
  return records.map((_, index) => ({ offset: first + index, duplicate: false }))
}

function toAppend({ timestampMs, key, headers, value, idempotencyKey }: NewRecord, nowMs: number): KeyedRecord {
  const append = { timestampMs: timestampMs ?? nowMs, key: key ?? null, headers: headers ?? [], value }
  const bytes = sizeOf(append)
  if (bytes > MAX_RECORD_BYTES)
    throw new RangeError(`a record has ${bytes} bytes, the embedded log takes ${MAX_RECORD_BYTES} at most`)
  return idempotencyKey === undefined ? append : { ...append, idempotencyKey }
}
