import { describe, expect, it } from 'vitest'
import { readFrame, readMessagePath, writeFrame } from '../../src/schema-registry/wire-format.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('a frame', () => {
  it('is a zero, the id in four bytes, the largest first, and the data', () => {
    expect(writeFrame(258, bytes(9, 8))).toEqual(bytes(0, 0, 0, 1, 2, 9, 8))
    expect(readFrame(bytes(0, 0, 0, 1, 2, 9, 8))).toEqual({ schemaId: 258, body: bytes(9, 8) })
  })

  it('is found where the bytes are a part of larger ones, and may have no data', () => {
    const within = bytes(7, 0, 255, 255, 255, 254, 7).subarray(1, 6)
    expect(readFrame(within)).toEqual({ schemaId: 4_294_967_294, body: bytes() })
  })

  it.each([[null], [bytes()], [bytes(0, 0, 0, 1)], [bytes(1, 0, 0, 0, 1, 2)], [new TextEncoder().encode('{"a":1}')]])(
    'is not made of %s',
    (value) => expect(readFrame(value)).toBeUndefined(),
  )
})

describe('the path of a Protobuf message', () => {
  it.each([
    [[0, 42], [0], [42]],
    [[2, 0, 42], [0], [42]],
    [[2, 2, 42], [1], [42]],
    [[4, 2, 0], [1, 0], []],
    [[2, 0x80, 0x02], [128], []],
  ])('%j is %j', (body, path, message) => {
    expect(readMessagePath(bytes(...body))).toEqual({ ok: true, value: { path, message: bytes(...message) } })
  })

  it.each([[[]], [[1]], [[2]], [[2, 1]], [[0x80]], [[0xfe, 0xff, 0xff, 0xff, 0x0f]], [[2, 255, 255, 255, 255, 255]]])(
    'cannot be read of %j',
    (body) => expect(readMessagePath(bytes(...body)).ok).toBe(false),
  )
})
