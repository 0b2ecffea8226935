// The checksum against RFC 3720's vectors, and against a reference that goes bit by bit.
import { expect, it } from 'vitest'
import { crc32c } from '../../../../src/kafka/protocol/compression/crc32c.ts'
import { RandomValues } from '../random.ts'

/** RFC 3720, appendix B.4. */
it.each([
  ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 incrementing bytes', Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
  ['32 decrementing bytes', Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
  ['the digits 1 to 9', new TextEncoder().encode('123456789'), 0xe3069283],
])('is that of the specification for %s', (_name, bytes, sum) => {
  expect(crc32c(bytes)).toBe(sum)
})

it('is that of the reference for every length, wherever in its buffer a view begins', () => {
  const random = new RandomValues(3)
  for (let length = 0; length <= 64; length += 1) {
    for (const start of [0, 1, 7]) {
      const view = random.bytes(length + start).subarray(start)
      expect(crc32c(view)).toBe(reference(view))
    }
  }
})

function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}
