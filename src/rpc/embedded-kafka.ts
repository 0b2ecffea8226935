// Stubs of the embedded Kafka: one EmbeddedLog object per topic-partition, and one EmbeddedBroker.
import { partitionName, type RecordHeader, type TopicPartition } from '../core/events/kafka-record.ts'
import { keepShape } from '../core/kept-shapes.ts'
import { objectStub } from './object-stub.ts'

/** Returns the stub of the EmbeddedLog object that stores one topic-partition. */
export function embeddedLogStub(env: Env, { topic, partition }: TopicPartition) {
  return objectStub(env, env.EMBEDDED_LOG, partitionName({ topic, partition }))
}

/** Returns the stub of the one EmbeddedBroker: topics, partition counts and consumer instances. */
export function embeddedBrokerStub(env: Env) {
  return objectStub(env, env.EMBEDDED_BROKER, 'broker')
}

/** Largest record that the embedded log stores: a row of SQLite holds 2 MB. */
export const MAX_RECORD_BYTES = 1_800_000

/** A record with its partition chosen and its timestamp set. */
export interface AppendRecord {
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  readonly value: Uint8Array | null
}

/** A record that may be appended twice and is stored once. */
export interface KeyedRecord extends AppendRecord {
  /** A record without a key is always stored. */
  readonly idempotencyKey?: string
}

/** The result of appending one record. */
export interface Appended {
  /** Offset of the record. For a duplicate, offset of the record that was stored first. */
  readonly offset: number
  readonly duplicate: boolean
}

// A record as it comes by a call: times are no small integers, and a copy has another shape than the object that it is of.
keepShape(
  structuredClone({
    timestampMs: 1_764_000_000_000,
    key: new Uint8Array(),
    headers: [{ key: '', value: new Uint8Array() }],
    value: new Uint8Array(),
  } satisfies AppendRecord),
)

/** Returns the bytes of key, value and headers. */
export function sizeOf({ key, value, headers }: AppendRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) bytes += header.key.length + header.value.length
  return bytes
}
