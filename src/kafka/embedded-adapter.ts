// The KafkaLog of the embedded log: finds the partition of a record and calls its Durable Object, one RPC a partition.
// A produce that fails may have stored the records of some partitions: with idempotency keys it can be tried again.
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
import type { FetchLimits, KafkaLog } from './kafka-log.ts'

/** Partition counts never change, so an isolate asks once. Numbers, not promises: those belong to one request each. */
const partitionCounts = new Map<string, number>()

export interface Chance {
  nowMs(): number
  /** In [0, 1). */
  random(): number
}

export function createEmbeddedKafkaLog(env: Env, chance: Chance): KafkaLog {
  return {
    wakesFollowers: true,
    partitions: async (topic) => Array.from({ length: await countPartitions(env, topic) }, (_, partition) => partition),
    offsets: async (topic, partition) => embeddedLogStub(env, { topic, partition }).offsets(),
    fetch: async (position, limits) => fetch(env, position, limits),
    produce: (records) => produce(env, records, chance),
  }
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
  partitionCounts.set(topic, count)
  return count
}

interface Batch extends TopicPartition {
  readonly records: KeyedRecord[]
  /** Of each, among those that are produced. */
  readonly indexes: number[]
}

async function produce(env: Env, records: readonly NewRecord[], chance: Chance): Promise<readonly ProducedRecord[]> {
  const nowMs = chance.nowMs()
  const places: ProducedRecord[] = []
  const batches = new Map<string, Batch>()
  /** Records without a key stay together within a call, as Kafka's sticky partitioner keeps them. */
  const sticky = chance.random()
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
      const appended = await appendTo(env, batch)
      for (const [at, index] of batch.indexes.entries()) {
        const { topic, partition } = batch
        const timestampMs = batch.records[at]?.timestampMs ?? nowMs
        const { offset, duplicate } = appended(at)
        places[index] = { topic, partition, offset, timestampMs, ...(duplicate ? { duplicate } : {}) }
      }
    }),
  )
  return places
}

/** Answers the place of each by its index. */
async function appendTo(env: Env, batch: Batch): Promise<(at: number) => Appended> {
  const log = embeddedLogStub(env, batch)
  if (batch.records.every(({ idempotencyKey }) => idempotencyKey === undefined)) {
    const first = await log.append(batch.records)
    return (at) => ({ offset: first + at, duplicate: false })
  }
  const places = await log.appendOnce(batch.records)
  return (at) => places[at] ?? { offset: -1, duplicate: false }
}

function toAppend({ timestampMs, key, headers, value, idempotencyKey }: NewRecord, nowMs: number): KeyedRecord {
  const append = {
    timestampMs: timestampMs ?? nowMs,
    key: key ?? null,
    headers: headers ?? [],
    value,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
  const bytes = sizeOf(append)
  if (bytes > MAX_RECORD_BYTES)
    throw new RangeError(`a record has ${bytes} bytes, the embedded log takes ${MAX_RECORD_BYTES} at most`)
  return append
}
