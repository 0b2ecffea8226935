// What a reader of JetStream makes of a server whose answers are not of one moment.
import type { Msg, NatsConnection } from '@nats-io/nats-core'
import { describe, expect, it } from 'vitest'
import { messageOf } from './nats-messages.ts'
import { JetStreamReader } from '../../src/sources/nats/jetstream-reader.ts'

const CREATED = '2026-11-27T00:00:00Z'

/** What a pull without messages is answered with. */
const NOTHING = [messageOf('NATS/1.0 404 No Messages\r\n\r\n')]

/**
 * A stream of several subjects whose messages end at `lastSeq`; its consumer has been told of none. `stored` has the subject's.
 * `pulls`: the answers to pulls, the first one first.
 */
function readerOf(stored: readonly number[], pulls: (readonly Msg[])[] = [], lastSeq = 8): JetStreamReader {
  const answers: Readonly<Record<string, (body: { readonly seq?: number }) => object>> = {
    'STREAM.NAMES': () => ({ streams: ['ORDERS'] }),
    'STREAM.INFO': () => ({ created: CREATED, state: { first_seq: 1, last_seq: lastSeq } }),
    'STREAM.MSG': ({ seq = 0 }) =>
      stored.some((at) => at >= seq) ? { message: {} } : { error: { code: 404, err_code: 10_037 } },
    'CONSUMER.CREATE': () => ({}),
    'CONSUMER.INFO': () => ({ delivered: { consumer_seq: 0 }, num_pending: 0 }),
  }
  let deliver: ((error: null, message: object) => void) | undefined
  const connection = {
    isClosed: () => false,
    closed: () => new Promise(() => undefined),
    subscribe: (_subject: string, options: { readonly callback: typeof deliver }) => {
      deliver = options.callback
      return { unsubscribe: () => undefined }
    },
    publish: () => {
      for (const message of pulls.shift() ?? NOTHING) deliver?.(null, message)
    },
    request: async (subject: string, body: string) => {
      const call = subject.split('.').slice(2, 4).join('.')
      const answer = answers[call]?.(JSON.parse(body) as { readonly seq?: number }) ?? {}
      return { string: () => JSON.stringify(answer) }
    },
  }
  const use = async <T>(work: (open: NatsConnection) => Promise<T>) => work(connection as unknown as NatsConnection)
  return new JetStreamReader({ use } as ConstructorParameters<typeof JetStreamReader>[0])
}

describe('a pull of JetStream without messages', () => {
  const position = { topic: 'nats:orders', partition: 0, offset: 6 }
  const limits = { maxWaitMs: 0, maxBytes: 1_000 }

  it('moves past messages of other subjects', async () => {
    expect(await readerOf([5]).fetch(position, limits)).toMatchObject({ kind: 'records', records: [], next: 9 })
  })

  it('moves past no message of the subject that the stream has and its consumer has not been told of', async () => {
    expect(await readerOf([7]).fetch(position, limits)).toMatchObject({ kind: 'records', records: [], next: 6 })
  })
})

/** The n-th message that a consumer delivers. */
const stored = (header: string, n: number) =>
  messageOf(header, { data: `m${n}`, reply: `$JS.ACK.ORDERS.c.1.${n}.${n}.1700000000000000000.0` })
const end = messageOf('NATS/1.0 408 Request Timeout\r\n\r\n')

describe('a message that its publisher has given', () => {
  const position = { topic: 'nats:orders', partition: 0, offset: 1 }
  const limits = { maxWaitMs: 0, maxBytes: 1_000 }

  it.each(['404 No Messages', '503 No Responders', '409 Consumer Deleted', '100 Idle Heartbeat'])(
    'the status %s is a message, and stops nothing',
    async (status) => {
      const messages = [stored(`NATS/1.0 ${status}\r\nuser: a\r\n\r\n`, 1), stored('', 2), end]
      const fetched = await readerOf([1, 2], [messages]).fetch(position, limits)
      expect(fetched).toMatchObject({ kind: 'records', records: [{ offset: 1 }, { offset: 2 }], next: 3 })
    },
  )

  it('too many headers is read with fewer others at a time, and none is left out', async () => {
    const header = `NATS/1.0\r\n${'h:\r\n'.repeat(10_000)}\r\n`
    const delivered = (from: number, consumerFrom = 1) =>
      Array.from({ length: 15 - from + 1 }, (_, n) =>
        messageOf(header, { reply: `$JS.ACK.ORDERS.c.1.${from + n}.${consumerFrom + n}.1700000000000000000.0` }),
      )
    const reader = readerOf(
      [],
      [
        [...delivered(1), end],
        [...delivered(11), end],
      ],
      20,
    )
    const first = await reader.fetch(position, limits)
    expect(first).toMatchObject({ kind: 'records', next: 11 })
    const second = await reader.fetch({ ...position, offset: 11 }, limits)
    expect(second).toMatchObject({ kind: 'records', next: 16 })
  })
})
