import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../../../scripts/random.ts'
import serializer from '../../../../../node_modules/phoenix/assets/js/phoenix/serializer.js'
import {
  decodeMessage,
  encode,
  encodeReply,
  nameOfType,
  type Message,
} from '../../../../../src/objects/shard/transports/phoenix/message.ts'

const join: Message = { joinRef: '1', ref: '1', topic: 'user:alice', event: 'phx_join', payload: { a: 1 } }

const decodedByLibrary = (text: string) => {
  const decoded: unknown[] = []
  serializer.decode(text, (message) => decoded.push(message))
  return decoded[0]
}

describe('an event under the name of its type', () => {
  it.each(['order.created', 'message', 'close', 'position.changed', 'presence', 'a.phx_close'])('is %s', (type) => {
    expect(nameOfType(type)).toBe(type)
  })

  it.each([
    'phx_close',
    'phx_error',
    'phx_reply',
    'phx_leave',
    'chan_reply_3',
    'presence_state',
    'presence_diff',
    'position',
  ])('is a message if the library or Rigel would be taken for its sender: %s', (type) => {
    expect(nameOfType(type)).toBe('message')
  })
})

describe('serializer V2', () => {
  it('reads what the library writes', () => {
    serializer.encode({ ...join, join_ref: '1' }, (text: string) => expect(decodeMessage(2, text)).toEqual(join))
  })

  it('reads binary pushes of the library, whatever their bytes', () => {
    const payload = Uint8Array.of(0, 255, 10, 13, 123).buffer
    const push = { join_ref: '3', ref: '7', topic: 'user:ä', event: 'event', payload }
    serializer.encode(push, (bytes: ArrayBuffer) =>
      expect(decodeMessage(2, bytes)).toEqual({
        joinRef: '3',
        ref: '7',
        topic: 'user:ä',
        event: 'event',
        payload: new Uint8Array(payload),
      }),
    )
  })

  it('writes what the library reads, the payload verbatim', () => {
    const reply = encodeReply(2, join, { status: 'ok', response: { recovered: true } })
    expect(decodedByLibrary(reply)).toEqual({
      join_ref: '1',
      ref: '1',
      topic: 'user:alice',
      event: 'phx_reply',
      payload: { status: 'ok', response: { recovered: true } },
    })
    const head = { joinRef: '1', ref: '0.a-1', topic: 'user:alice', event: 'message' }
    expect(encode(2, head, '{"n":12345678901234567890}')).toBe(
      '["1","0.a-1","user:alice","message",{"n":12345678901234567890}]',
    )
  })

  it.each([
    '',
    '{}',
    '[]',
    '[1,2,3]',
    '["1","1","t","e"]',
    '[null,null,null,null,{}]',
    'null',
    '[{},"1","t","e",{}]',
    new ArrayBuffer(0),
    Uint8Array.of(0, 255, 255, 255, 255).buffer,
    Uint8Array.of(1, 0, 0, 0, 0).buffer,
    Uint8Array.of(0, 1).buffer,
  ])('is no message: %j', (data) => expect(decodeMessage(2, data)).toBeUndefined())
})

describe('serializer V1', () => {
  it('reads and writes objects, of old clients that count in numbers too', () => {
    const text = JSON.stringify({ topic: 'user:alice', event: 'phx_join', payload: { a: 1 }, ref: 1 })
    expect(decodeMessage(1, text)).toEqual({ ...join, joinRef: null })
    expect(JSON.parse(encodeReply(1, join, { status: 'ok', response: {} }))).toEqual({
      topic: 'user:alice',
      event: 'phx_reply',
      ref: '1',
      join_ref: '1',
      payload: { status: 'ok', response: {} },
    })
  })

  it('knows no bytes, and no arrays', () => {
    expect(decodeMessage(1, new ArrayBuffer(9))).toBeUndefined()
    expect(decodeMessage(1, '["1","1","t","e",{}]')).toBeUndefined()
  })
})

it('fuzzed messages are a message or none, and never a throw', () => {
  const random = createRandom(7).next
  for (let n = 0; n < 2_000; n += 1) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256))
    expect(() => decodeMessage(2, bytes.buffer)).not.toThrow()
    expect(() => decodeMessage(random() < 0.5 ? 1 : 2, String.fromCharCode(...bytes))).not.toThrow()
  }
})
