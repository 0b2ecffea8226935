// Frames of clients of `rigel.v1`: a frame that is wrong is refused with what would be right.
import { expect, it } from 'vitest'
import { parseClientFrame } from '../../../../src/objects/shard/transports/rigel-v1.ts'

const types = 'type must be ack, subscribe, passed or token'

it.each([
  ['', types],
  ['null', types],
  ['[]', types],
  ['{"type":"nonsense"}', types],
  ['{"type":"__proto__"}', types],
  ['{"type":"ack","id":1}', 'id: Invalid input: expected string, received number'],
  ['{"type":"subscribe","subscriptions":[],"ref":{}}', 'ref: Invalid input: expected string, received object'],
  [
    `{"type":"passed","offsets":"rig/0@1","ref":"${'r'.repeat(65)}"}`,
    'ref: Too big: expected string to have <=64 characters',
  ],
  ['{"type":"token"}', 'token: Invalid input: expected string, received undefined'],
])('%s is no frame: %s', (text, reason) => expect(parseClientFrame(text)).toEqual({ ok: false, reason }))

it('a frame may have a ref', () => {
  const frame = { type: 'subscribe', subscriptions: [], ref: '1' }
  expect(parseClientFrame(JSON.stringify(frame))).toEqual({ ok: true, value: frame })
})
