// What is written is what is read, in both generations; what is broken is a RangeError.
import { describe, expect, it } from 'vitest'
import { Reader } from '../../../src/kafka/protocol/reader.ts'
import { Writer } from '../../../src/kafka/protocol/writer.ts'
import { RandomValues, hexOf } from './random.ts'

type Field = { readonly write: (writer: Writer) => void; readonly read: (reader: Reader) => unknown; value: unknown }

function field<T>(value: T, write: (writer: Writer, value: T) => void, read: (reader: Reader) => T): Field {
  return { value, write: (writer) => write(writer, value), read }
}

function randomField(random: RandomValues): Field {
  const makers: readonly (() => Field)[] = [
    () =>
      field(
        random.integer(256) - 128,
        (w, v) => w.int8(v),
        (r) => r.int8(),
      ),
    () =>
      field(
        random.next() < 0.5,
        (w, v) => w.boolean(v),
        (r) => r.boolean(),
      ),
    () =>
      field(
        random.integer(65_536) - 32_768,
        (w, v) => w.int16(v),
        (r) => r.int16(),
      ),
    () =>
      field(
        random.integer(2 ** 32) - 2 ** 31,
        (w, v) => w.int32(v),
        (r) => r.int32(),
      ),
    () =>
      field(
        random.integer(2 ** 32),
        (w, v) => w.uint32(v),
        (r) => r.uint32(),
      ),
    () =>
      field(
        random.signed(53),
        (w, v) => w.int64(v),
        (r) => r.int64(),
      ),
    () =>
      field(
        Math.abs(random.signed(53)),
        (w, v) => w.uvarint(v),
        (r) => r.uvarint(),
      ),
    () =>
      field(
        random.signed(52),
        (w, v) => w.varint(v),
        (r) => r.varint(),
      ),
    () =>
      field(
        hexOf(random.bytes(16)),
        (w, v) => w.uuid(v),
        (r) => r.uuid(),
      ),
    () =>
      field(
        random.text(random.integer(200)),
        (w, v) => w.string(v),
        (r) => r.string(),
      ),
    () =>
      field<string | null>(
        null,
        (w, v) => w.nullableString(v),
        (r) => r.nullableString(),
      ),
    () =>
      field<Uint8Array | null>(
        random.bytes(random.integer(300)),
        (w, v) => w.bytes(v ?? new Uint8Array()),
        (r) => r.nullableBytes(),
      ),
    () =>
      field<Uint8Array | null>(
        random.bytes(random.integer(300)),
        (w, v) => w.varintBytes(v),
        (r) => r.varintBytes(),
      ),
    () =>
      field<Uint8Array | null>(
        null,
        (w, v) => w.varintBytes(v),
        (r) => r.varintBytes(),
      ),
    () => {
      const items = Array.from({ length: random.integer(20) }, () => random.text(3))
      return field(
        items,
        (w, v) => w.array(v, (item) => w.string(item)),
        (r) => r.array(() => r.string()),
      )
    },
    () =>
      field<undefined>(
        undefined,
        (w) => w.end(),
        (r) => r.end() as undefined,
      ),
  ]
  return makers[random.integer(makers.length)]?.() ?? randomField(random)
}

describe.each([{ flexible: false }, { flexible: true }])('the generation with flexible = $flexible', ({ flexible }) => {
  it('reads what it writes, whatever the order, and nothing is left', () => {
    const random = new RandomValues(1)
    for (let round = 0; round < 300; round += 1) {
      const fields = Array.from({ length: random.integer(30) }, () => randomField(random))
      const writer = new Writer({ flexible }, random.integer(8))
      for (const { write } of fields) write(writer)
      const reader = new Reader({ flexible }, writer.finish())
      expect(fields.map(({ read }) => read(reader))).toEqual(fields.map(({ value }) => value))
      expect(reader.remaining).toBe(0)
      expect(reader.position).toBe(writer.length)
    }
  })

  it('meets whatever is cut off with a RangeError, and whatever is garbage with nothing else', () => {
    const random = new RandomValues(2)
    for (let round = 0; round < 500; round += 1) {
      const fields = Array.from({ length: 1 + random.integer(10) }, () => randomField(random))
      const reader = new Reader({ flexible }, random.bytes(random.integer(40)))
      expect(() => orRangeError(() => fields.map(({ read }) => read(reader)))).not.toThrow()
    }
  })
})

/** Whatever else is thrown is a bug. */
function orRangeError(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}

describe('bounds', () => {
  const classic = { flexible: false }

  it('are those of a view, not of the buffer behind it', () => {
    const reader = new Reader(classic, new Uint8Array(16).subarray(4, 6))
    expect(() => reader.int32()).toThrow(new RangeError('4 bytes wanted at 0, there are 2'))
  })

  it('hold for arrays before anything is allocated', () => {
    const reader = new Reader(classic, Uint8Array.of(0x7f, 0xff, 0xff, 0xff))
    expect(() => reader.array(() => reader.int8())).toThrow('an array of 2147483647 items in 0 bytes')
  })

  it('hold for tagged fields, of which any number may be promised', () => {
    expect(() => new Reader({ flexible: true }, Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0, 0)).end()).toThrow(RangeError)
  })

  it('of a varint are ten bytes: 64 bits are read, if not exactly, and more is garbage', () => {
    const max = Uint8Array.of(...Array.from({ length: 9 }, () => 0xff), 0x01)
    expect(Math.abs(new Reader(classic, max).varint())).toBe(2 ** 63)
    const endless = new Uint8Array(64).fill(0xff)
    expect(() => new Reader(classic, endless).varint()).toThrow('a varint is longer than 10 bytes')
  })

  it('of a classic string are 32,767 bytes', () => {
    expect(() => new Writer(classic).string('x'.repeat(32_768))).toThrow(
      'a string has 32768 bytes, at most 32767 are possible',
    )
    const writer = new Writer(classic)
    writer.string('x'.repeat(32_767))
    expect(new Reader(classic, writer.finish()).string()).toHaveLength(32_767)
  })
})

it('encodes as the specification has it', () => {
  const writer = new Writer({ flexible: false })
  for (const value of [0, -1, 1, -2, 2_147_483_647, -2_147_483_648]) writer.varint(value)
  expect(hexOf(writer.finish())).toBe('00010203feffffff0fffffffff0f')
  const numbers = new Writer({ flexible: false })
  for (const value of [-1, -2, 2 ** 53 - 1, -(2 ** 53) + 1]) numbers.int64(value)
  const hex = ['ffffffffffffffff', 'fffffffffffffffe', '001fffffffffffff', 'ffe0000000000001']
  expect(hexOf(numbers.finish())).toBe(hex.join(''))
})

it('skips tagged fields that it does not know', () => {
  const reader = new Reader({ flexible: true }, Uint8Array.of(2, 0, 1, 7, 5, 2, 8, 9, 42))
  reader.end()
  expect(reader.int8()).toBe(42)
})
