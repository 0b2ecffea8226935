// Producing through KafkaProducer objects: always with KAFKA_BROKERS, whose connections they keep; over REST proxies and Upstash
// only records with idempotency keys, which the objects remember. Used by brokers-adapter.ts and create-kafka-log.ts.
import type { NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'
import { murmur3 } from '../core/events/partitioner.ts'
import { kafkaProducerStub, PRODUCER_COUNT } from '../rpc/kafka-producer.ts'
import type { KafkaLog } from './kafka-log.ts'
import type { ClockAndRandom } from './create-cluster.ts'

/**
 * Returns `log`, but an object produces records that have an idempotency key. Records without one are produced by `log`
 * itself: a call of an object would slow them down.
 */
export function withKeysRemembered(env: Env, log: KafkaLog, chance: Pick<ClockAndRandom, 'random'>): KafkaLog {
  return {
    ...log,
    produce: (records) => (hasKeys(records) ? produceByObjects(env, records, chance) : log.produce(records)),
  }
}

function hasKeys(records: readonly NewRecord[]): boolean {
  return records.some(({ idempotencyKey }) => idempotencyKey !== undefined)
}

/**
 * Produces records by objects: by any object, unless one of them has an idempotency key. Then each goes to the object that
 * its own key chooses: records of one key keep their order, and the object knows whether it has produced it before.
 */
export async function produceByObjects(
  env: Env,
  records: readonly NewRecord[],
  chance: Pick<ClockAndRandom, 'random'>,
): Promise<readonly ProducedRecord[]> {
  const isKeyed = hasKeys(records)
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

/** Returns the index of an object for a call that needs no particular one. */
export function anyProducer({ random }: Pick<ClockAndRandom, 'random'>): number {
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
