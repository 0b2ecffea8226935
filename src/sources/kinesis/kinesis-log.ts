// The log over Kinesis, behind the same port as Kafka: a topic is a stream, and a partition a shard.
import type { KinesisConfig } from '../../config/sources/kinesis.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import { createKinesisCall } from './kinesis-client.ts'
import { putRecords, type KinesisProducerDeps } from './kinesis-producer.ts'
import { ShardReader } from './shard-reader.ts'
import { listShards } from './shards.ts'

/** Network, time and randomness, so that tests can control them. */
export interface KinesisLogDeps extends KinesisProducerDeps {
  readonly fetch: typeof fetch
  readonly nowMs: () => number
  /** Whether the follower of a shard has read it to its end. */
  readonly isEnded: (topic: string, partition: number) => Promise<boolean>
}

/** For one follower, or for any number of produces. */
export function createKinesisLog(config: KinesisConfig, deps: KinesisLogDeps): KafkaLog {
  const followed = createKinesisCall(config, config.region, deps.fetch)
  const requested = createKinesisCall(config, config.requestRegion, deps.fetch)
  const callOf = (topic: string) => (config.topics.includes(topic) ? followed : requested)
  let reader: ShardReader | undefined
  return {
    wakesFollowers: false,
    numbersRecords: false,
    partitions: async (topic) => {
      const shards = await listShards(callOf(topic), sourceOf(topic).name)
      return (shards ?? []).map(({ partition }) => partition)
    },
    // A follower counts offsets from where it begins: 0 at the start of the shard, or the time.
    offsets: async () => ({ earliest: 0, latest: Math.floor(deps.nowMs()) }),
    fetch: (position, limits) => {
      reader ??= new ShardReader({
        ...deps,
        call: callOf(position.topic),
        isEnded: (partition) => deps.isEnded(position.topic, partition),
      })
      return reader.fetch(position, limits)
    },
    produce: async (records) => {
      const byCall = Map.groupBy(records, ({ topic }) => callOf(topic))
      const places = await Promise.all([...byCall].map(([call, own]) => putRecords(call, own, deps)))
      return places.flat()
    },
  }
}
