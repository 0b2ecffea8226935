// Chooses the partition of a record by Kafka's murmur2 (org.apache.kafka.common.utils.Utils), as other Kafka clients
// do, or, while RIG produces to the same topics, by RIG's murmur3.
import type { NewRecord } from './kafka-record.ts'

const SEED = 0x9747b28c
const M = 0x5bd1e995
const R = 24

/** Returns Kafka's hash of a key (`Utils.murmur2` of its Java client), a signed 32-bit number. */
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

const C1 = 0xcc9e2d51
const C2 = 0x1b873593

/** Returns MurmurHash3 (x86, 32 bits, seed 0), an unsigned number. https://github.com/aappleby/smhasher */
export function murmur3(data: Uint8Array): number {
  const { length } = data
  const view = new DataView(data.buffer, data.byteOffset, length)
  const mix = (k: number) => Math.imul(rotateLeft(Math.imul(k, C1), 15), C2)
  let hash = 0
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    hash = Math.imul(rotateLeft(hash ^ mix(view.getInt32(at, true)), 13), 5) + 0xe6546b64
  }
  let rest = 0
  for (let at = length - 1; at >= whole; at -= 1) rest = (rest << 8) | view.getUint8(at)
  hash ^= mix(rest) ^ length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** `rig`: by murmur3, and a record with an empty key goes to a random partition, as with RIG. */
export type Partitioner = 'kafka' | 'rig'

/** Returns the partition of a record with a key. */
export function partitionOf(key: Uint8Array, partitions: number, partitioner: Partitioner = 'kafka'): number {
  return (partitioner === 'rig' ? murmur3(key) : murmur2(key) & 0x7fff_ffff) % partitions
}

/**
 * Returns the record's own `partition`, else that of its key, else one by `sticky`, which is in [0, 1). Throws a
 * RangeError if the topic does not have the record's `partition`.
 */
export function choosePartition(
  { partition, key }: NewRecord,
  partitions: number,
  sticky: number,
  partitioner: Partitioner = 'kafka',
): number {
  if (partition === undefined) {
    const isAnywhere = !key || (partitioner === 'rig' && key.length === 0)
    return isAnywhere ? Math.floor(sticky * partitions) : partitionOf(key, partitions, partitioner)
  }
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
    throw new RangeError(`partition must be 0 to ${partitions - 1}, got ${partition}`)
  }
  return partition
}
