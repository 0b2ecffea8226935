// What a reader of JetStream makes of a server whose answers are not of one moment.
import type { NatsConnection } from '@nats-io/nats-core'
import { describe, expect, it } from 'vitest'
import { JetStreamReader } from '../../src/sources/nats/jetstream-reader.ts'

const CREATED = '2026-11-27T00:00:00Z'

/** A stream of several subjects whose messages end at 8; its consumer has been told of none. `stored` has the subject's. */
function readerOf(stored: readonly number[]): JetStreamReader {
  const answers: Readonly<Record<string, (body: { readonly seq?: number }) => object>> = {
    'STREAM.NAMES': () => ({ streams: ['ORDERS'] }),
    'STREAM.INFO': () => ({ created: CREATED, state: { first_seq: 1, last_seq: 8 } }),
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
    publish: () =>
      deliver?.(null, { headers: { code: 404, description: 'No Messages' }, size: () => 0, data: new Uint8Array() }),
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
