// The KafkaLog over the Kafka protocol. Fetching keeps connections open, so only a follower's Durable Object should do it.
// Producing goes through KafkaProducer objects, which share their connections: a handshake per request would be too slow.
import type { BrokersConfig } from '../config/kafka-brokers.ts'
import type { NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'
import { murmur3 } from '../core/events/partitioner.ts'
import { kafkaProducerStub, PRODUCER_COUNT } from '../rpc/kafka-producer.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createCluster, type ClockAndRandom } from './create-cluster.ts'
import { commitOffset } from './protocol/commit-offset.ts'
import { PartitionFetcher } from './protocol/partition-fetcher.ts'

/** Opens no connection before the first fetch. */
export function createBrokersKafkaLog(env: Env, brokers: BrokersConfig, chance: ClockAndRandom): KafkaLog {
  const cluster = createCluster(env, brokers, chance)
  const fetcher = new PartitionFetcher(cluster)
  return {
    wakesFollowers: false,
    partitions: async (topic) => kafkaProducerStub(env, anyProducer(chance)).partitions(topic),
    topics: async () => kafkaProducerStub(env, anyProducer(chance)).topics(),
    offsets: (topic, partition) => fetcher.offsets({ topic, partition }),
    fetch: (position, limits) => fetcher.fetch(position, limits),
    produce: async (records) => produce(env, records, chance),
    commit: (group, position) => commitOffset(cluster, group, position),
  }
}

async function produce(
  env: Env,
  records: readonly NewRecord[],
  chance: ClockAndRandom,
): Promise<readonly ProducedRecord[]> {
  const isKeyed = records.some(({ idempotencyKey }) => idempotencyKey !== undefined)
  const any = anyProducer(chance)
  const indexed = records.map((record, index) => ({ record, index }))
  const groups = Map.groupBy(indexed, ({ record }) => (isKeyed ? producerOf(record) : any))
  const places: ProducedRecord[] = []
  const calls = [...groups].map(async ([producer, group]) => {
    const produced = await kafkaProducerStub(env, producer).produce(group.map(({ record }) => copyRecord(record)))
    for (const [at, place] of produced.entries()) places[group[at]?.index ?? at] = place
  })
  await Promise.all(calls)
  return places
}

function anyProducer({ random }: ClockAndRandom): number {
  return Math.floor(random() * PRODUCER_COUNT)
}

/** By the record's key, not by its idempotency key: records of one key keep their order. */
function producerOf({ key }: NewRecord): number {
  return key === null || key === undefined ? 0 : murmur3(key) % PRODUCER_COUNT
}

/** A fetched record is a view of the whole fetch response, which an RPC would send along with it. */
function copyRecord(record: NewRecord): NewRecord {
  const { key, headers = [], value } = record
  const copies = headers.map((header) => ({ key: header.key, value: header.value.slice() }))
  return { ...record, key: key?.slice() ?? null, headers: copies, value: value?.slice() ?? null }
}
