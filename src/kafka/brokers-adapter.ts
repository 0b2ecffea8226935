// The KafkaLog over the Kafka protocol. Reading keeps connections in whoever follows: only a Durable Object should. Writing
// goes through KafkaProducer objects, which keep theirs for everybody: a request could not pay for a handshake each time.
import type { BrokersConfig } from '../config/kafka-brokers.ts'
import type { NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'
import { kafkaProducerStub } from '../rpc/kafka-producer.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createCluster, type Chance } from './create-cluster.ts'
import { commitOffset } from './protocol/commit-offset.ts'
import { PartitionFetcher } from './protocol/partition-fetcher.ts'

export function createBrokersKafkaLog(env: Env, brokers: BrokersConfig, chance: Chance): KafkaLog {
  const cluster = createCluster(brokers, chance)
  const fetcher = new PartitionFetcher(cluster)
  return {
    wakesFollowers: false,
    partitions: async (topic) => kafkaProducerStub(env, chance.random()).partitions(topic),
    offsets: (topic, partition) => fetcher.offsets({ topic, partition }),
    fetch: (position, limits) => fetcher.fetch(position, limits),
    produce: async (records) => produce(env, records, chance),
    commit: (group, position) => commitOffset(cluster, group, position),
  }
}

async function produce(env: Env, records: readonly NewRecord[], chance: Chance): Promise<readonly ProducedRecord[]> {
  if (records.length === 0) return []
  return kafkaProducerStub(env, chance.random()).produce(records.map(detached))
}

/** A fetched record is a view of a whole fetch, all of which would cross the call. */
function detached(record: NewRecord): NewRecord {
  const { key, headers = [], value } = record
  const copies = headers.map((header) => ({ key: header.key, value: header.value.slice() }))
  return { ...record, key: key?.slice() ?? null, headers: copies, value: value?.slice() ?? null }
}
