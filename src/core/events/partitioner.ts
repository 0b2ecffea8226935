// Kafka's murmur2 (org.apache.kafka.common.utils.Utils), by which a key chooses its partition: a record must land where
// every other Kafka client would have put it.
import type { NewRecord } from './kafka-record.ts'

const SEED = 0x9747b28c
const M = 0x5bd1e995
const R = 24

/** A signed 32-bit number, as in Java. */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  const view = new DataView(data.buffer, data.byteOffset, length)
  let hash = SEED ^ length
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    let k = Math.imul(view.getInt32(at, true), M)
    k = Math.imul(k ^ (k >>> R), M)
    hash = Math.imul(hash, M) ^ k
  }
  let rest = 0
  for (let at = length - 1; at >= whole; at -= 1) rest = (rest << 8) | view.getUint8(at)
  if (length > whole) hash = Math.imul(hash ^ rest, M)
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}

/** Returns the partition of a record with a key, as Kafka's default partitioner does. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitions
}

/**
 * Returns the partition that a record goes to: the one that it names, else that of its key, else the one at `sticky`, in
 * [0, 1), of all. Throws a RangeError when it names a partition that the topic does not have.
 */
export function choosePartition({ partition, key }: NewRecord, partitions: number, sticky: number): number {
  if (partition === undefined) return key ? partitionOf(key, partitions) : Math.floor(sticky * partitions)
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
    throw new RangeError(`partition must be 0 to ${partitions - 1}, got ${partition}`)
  }
  return partition
}
