// user → shard, by jump consistent hashing (Lamping & Veach 2014): even, without a table, and growing from N to N+1
// shards moves only 1/(N+1) of the users. The hash is FNV-1a over UTF-8 with a final mix, 64 bits.

const encoder = new TextEncoder()
const MASK = 0xffff_ffff_ffff_ffffn

function hash64(text: string): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n
  for (const byte of encoder.encode(text)) {
    hash = ((hash ^ BigInt(byte)) * 0x100_0000_01b3n) & MASK
  }
  hash ^= hash >> 33n
  hash = (hash * 0xff51_afd7_ed55_8ccdn) & MASK
  return hash ^ (hash >> 33n)
}

/** The shard of a user, in `0 .. shards - 1`. Also spreads connection ids of clients without a user. */
export function shardOf(id: string, shards: number): number {
  let key = hash64(id)
  let bucket = -1
  let jump = 0
  while (jump < shards) {
    bucket = jump
    key = (key * 2_862_933_555_777_941_757n + 1n) & MASK
    jump = Math.floor(((bucket + 1) * 2_147_483_648) / (Number(key >> 33n) + 1))
  }
  return bucket
}
