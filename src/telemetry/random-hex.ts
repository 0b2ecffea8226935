// Random identifiers of requests, traces and correlations.
import { toHex } from '../core/bytes.ts'

/** Random bytes of one call, for about a hundred requests: the call costs more than the bytes. */
const BLOCK_BYTES = 2_048

let digits = ''
let used = 0

/** Returns random bytes as hexadecimal text; at most BLOCK_BYTES. No byte is used twice. */
export function randomHex(bytes: number): string {
  if (used + 2 * bytes > digits.length) {
    digits = toHex(crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)))
    used = 0
  }
  used += 2 * bytes
  return digits.slice(used - 2 * bytes, used)
}
