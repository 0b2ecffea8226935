// What a publisher of NATS may write into the header of a message, and what Rigel makes of it.
import { describe, expect, it } from 'vitest'
import { readHeaders, readStatus } from '../../src/sources/nats/nats-headers.ts'
import { toLogRecord } from '../../src/sources/nats/nats-records.ts'
import { messageOf } from './nats-messages.ts'

const bytesOf = (latin1: string) => Uint8Array.from(latin1, (char) => char.charCodeAt(0))
const text = new TextDecoder()
const headersOf = (latin1: string) => readHeaders(bytesOf(latin1))?.map(({ key, value }) => [key, text.decode(value)])
const recordOf = (header: string, topic = 'nats:orders', options = {}) =>
  toLogRecord(messageOf(header, { data: 'x', ...options }), topic, 7, 0)

describe('the header of a message', () => {
  it('has headers in their order, each as often as it is there', () => {
    expect(headersOf('NATS/1.0\r\nA: 1\r\nb:2 \r\nA:\t3:4\r\nempty:\r\n\r\n')).toEqual([
      ['A', '1'],
      ['b', '2'],
      ['A', '3:4'],
      ['empty', ''],
    ])
  })

  it('may hold what the client library refuses to read', () => {
    expect(headersOf('NATS/1.0\r\na b: 1\r\n: 2\r\nline\r\nc: 3\n4\r5\r\n')).toEqual([
      ['a b', '1'],
      ['', '2'],
      ['c', '3\n4\r5'],
    ])
    for (const cut of ['', 'NATS/1.0', 'NATS/1.0\r', 'NATS/1.0\r\n', '\r\n\r\n', 'x'])
      expect(headersOf(cut)).toEqual([])
    expect(headersOf('NATS/1.0\r\na:1')).toEqual([['a', '1']])
  })

  it('keeps bytes that are no UTF-8 apart', () => {
    const [one, two] = ['\xff', '\xfe'].map((value) => readHeaders(bytesOf(`NATS/1.0\r\nuser: ${value}\r\n\r\n`))?.[0])
    expect([one?.value, two?.value]).toEqual([Uint8Array.of(0xff), Uint8Array.of(0xfe)])
  })

  it('of a megabyte is read at once; more than 10,000 headers make a dead letter', () => {
    const many = (count: number) => `NATS/1.0\r\n${Array.from({ length: count }, (_, n) => `h${n}:\r\n`).join('')}\r\n`
    expect(recordOf(many(10_000)).headers).toHaveLength(10_000)
    const { headers, value } = recordOf(many(150_000))
    expect([headers.map(({ key }) => key), value]).toEqual([['rigel-unreadable'], null])
  })

  it('has a status only if its first line has', () => {
    expect(readStatus(bytesOf('NATS/1.0 404 No Messages\r\n\r\n'))).toEqual({ code: 404, description: 'No Messages' })
    expect(readStatus(bytesOf('NATS/1.0 503\r\n\r\n'))).toEqual({ code: 503, description: '' })
    for (const line of ['NATS/1.0\r\n\r\n', '', 'NATS/1.0\r\nx: NATS/1.0 404\r\n'])
      expect(readStatus(bytesOf(line))).toBe(undefined)
  })
})

it('the subject of a message of many is that of the server, whatever its publisher writes', () => {
  const forged = 'NATS/1.0\r\nnats-subject: orders.bob\r\nNats-Subject: orders.bob\r\nk: v\r\n\r\n'
  const { headers } = recordOf(forged, 'nats:orders.*', { subject: 'orders.alice' })
  expect(headers.map(({ key, value }) => [key, text.decode(value)])).toEqual([
    ['Nats-Subject', 'orders.alice'],
    ['k', 'v'],
  ])
})

it('a subject that is not UTF-8 is not taken for another that is not', () => {
  const { headers, value } = recordOf('', 'nats:orders.*', { subject: 'orders.\ufffd' })
  expect([headers.map((header) => text.decode(header.value)), value]).toEqual([['the subject is not UTF-8'], null])
})
