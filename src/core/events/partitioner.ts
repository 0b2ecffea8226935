// Kafka's murmur2 (org.apache.kafka.common.utils.Utils), by which a key chooses its partition: a record must land where
// every other Kafka client would have put it.

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

/** Kafka's default partitioner for records with a key. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitions
}
