// User → shard by jump consistent hashing (Lamping & Veach 2014): even, without a table, and growing from N to N+1 shards
// moves only 1/(N+1) of the users. The hash is FNV-1a over UTF-8 with a final mix, 64 bits, in halves of 32: this runs
// for every recipient of every event, and BigInt would take most of the time of routing. Pure.

const encoder = new TextEncoder()

/** A 64-bit word: `high` and `low` are unsigned 32-bit integers. */
interface Word {
  high: number
  low: number
}

/** Multiplies `word` by the given constant modulo 2^64, in limbs of 16 bits. */
function multiply(word: Word, high: number, low: number): void {
  const a = word.low >>> 16
  const b = word.low & 0xffff
  const c = low >>> 16
  const d = low & 0xffff
  const bd = b * d
  const middle = a * d + (bd >>> 16)
  const carried = b * c + (middle & 0xffff)
  const carry = a * c + Math.floor(middle / 65_536) + Math.floor(carried / 65_536)
  word.high = (Math.imul(word.high, low) + Math.imul(word.low, high) + carry) >>> 0
  word.low = ((carried << 16) | (bd & 0xffff)) >>> 0
}

/** `word ^= word >>> 33`. */
function foldHigh(word: Word): void {
  word.low = (word.low ^ (word.high >>> 1)) >>> 0
}

/** ASCII text, as nearly all ids are, equals its UTF-8: calling the encoder, or a regular expression, would cost more than the hash. */
function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0x7f) return false
  return true
}

/** Returns 64 bits, evenly distributed. */
export function hash64(text: string): Word {
  const bytes = isAscii(text) ? undefined : encoder.encode(text)
  const count = bytes?.length ?? text.length
  let high = 0xcbf2_9ce4 | 0
  let low = 0x8422_2325 | 0
  for (let at = 0; at < count; at += 1) {
    low ^= bytes === undefined ? text.charCodeAt(at) : (bytes[at] ?? 0)
    // Times 2^40 + 0x1b3: the one is a shift, the other is done by limbs of 16 bits.
    const lower = (low & 0xffff) * 0x1b3
    const upper = (low >>> 16) * 0x1b3 + (lower >>> 16)
    high = (Math.imul(high, 0x1b3) + (low << 8) + (upper >>> 16)) | 0
    low = (upper << 16) | (lower & 0xffff)
  }
  const word = { high: high >>> 0, low: low >>> 0 }
  foldHigh(word)
  multiply(word, 0xff51_afd7, 0xed55_8ccd)
  foldHigh(word)
  return word
}

/** Returns the shard of a user, in `0 .. shards - 1`. Also used for the connection ids of clients without a user. */
export function shardOf(id: string, shards: number): number {
  const key = hash64(id)
  let bucket = -1
  let jump = 0
  while (jump < shards) {
    bucket = jump
    // 2862933555777941757, and one.
    multiply(key, 0x27bb_2ee6, 0x87b0_b0fd)
    key.low = (key.low + 1) >>> 0
    if (key.low === 0) key.high = (key.high + 1) >>> 0
    jump = Math.floor(((bucket + 1) * 2_147_483_648) / ((key.high >>> 1) + 1))
  }
  return bucket
}
