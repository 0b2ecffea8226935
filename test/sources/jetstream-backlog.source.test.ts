// A backlog of JetStream: pulls that run before their fetch, and how a pull ends.
import { env } from 'cloudflare:workers'
import type { MsgImpl } from '@nats-io/nats-core/internal'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createConsumer, pull } from '../../src/sources/nats/jetstream-api.ts'
import { createNatsLog } from '../../src/sources/nats/nats-log.ts'
import { NatsSession } from '../../src/sources/nats/nats-session.ts'
import { api, bytes, createStream, deps, natsConfig } from './jetstream.ts'
import { eventually } from '../support/eventually.ts'

const newSubject = () => `orders.${crypto.randomUUID()}`
const open = () => createNatsLog(env, natsConfig(), deps)

async function produce(subject: string, ...values: readonly string[]) {
  return open().produce(values.map((value) => ({ topic: `nats:${subject}`, value: bytes(value) })))
}

describe('a backlog of JetStream', () => {
  it('pulls the next batch of a backlog before it is fetched, and no more than that', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    const large = 'x'.repeat(200_000)
    await produce(subject, large, large, large, large, large, large)
    const log = open()
    const few = { maxWaitMs: 0, maxBytes: 450_000 }
    const position = { topic: `nats:${subject}`, partition: 0 }
    expect(await log.fetch({ ...position, offset: 1 }, few)).toMatchObject({ kind: 'records', next: 3 })
    const { consumers } = (await api(`CONSUMER.NAMES.${stream}`, {})) as { readonly consumers: readonly string[] }
    const delivered = async () => {
      const info = await api(`CONSUMER.INFO.${stream}.${consumers[0]}`, {})
      return (info as { readonly delivered: { readonly consumer_seq: number } }).delivered.consumer_seq
    }
    await eventually(async () => expect(await delivered()).toBe(4))
    await api(`CONSUMER.DELETE.${stream}.${consumers[0]}`, {})
    expect(await log.fetch({ ...position, offset: 3 }, few)).toMatchObject({ records: [{}, {}], next: 5 })
    expect(await log.fetch({ ...position, offset: 5 }, few)).toMatchObject({ records: [{}, {}], next: 7 })
  })

  it('knows the end of a pull whose messages have exactly as many bytes as asked for', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    await produce(subject, 'a', 'b', 'c')
    const session = new NatsSession(natsConfig())
    // The end is known by the messages, not by the time limit of a pull.
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const pulled = await session.use(async (connection) => {
      await createConsumer(connection, stream, 'one', subject, 1)
      await createConsumer(connection, stream, 'two', subject, 1)
      const { messages } = await pull(connection, stream, 'one', { batch: 2, waitMs: 0 })
      const maxBytes = messages.reduce((sum, { message }) => sum + (message as MsgImpl).size(), 0)
      return pull(connection, stream, 'two', { batch: 10, maxBytes, waitMs: 0 })
    })
    session.close()
    expect(pulled.messages.map(({ message }) => message.string())).toEqual(['a', 'b'])
  })
})
