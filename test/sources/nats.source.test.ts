// The contract of KafkaLog over JetStream, by TCP and by WebSocket, against a real nats-server; and what is NATS's own.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { createNatsLog } from '../../src/sources/nats/nats-log.ts'
import { NatsSession } from '../../src/sources/nats/nats-session.ts'
import { kafkaLogContract } from '../kafka/contract.ts'
import { api, bytes, createStream, deps, natsConfig } from './jetstream.ts'
import { NATS_WEBSOCKET_PORT } from './ports.ts'

const carries = {
  headers: true,
  timestamps: false,
  partitions: 1,
  firstOffset: 1,
  prefix: 'nats:',
  makeTopic: async (topic: string) => void (await createStream([topic.slice('nats:'.length)])),
} as const

kafkaLogContract('JetStream by TCP', () => createNatsLog(env, natsConfig(), deps), carries)
kafkaLogContract(
  'JetStream by WebSocket',
  () =>
    createNatsLog(
      env,
      { ...natsConfig(), servers: [{ scheme: 'ws', host: '127.0.0.1', port: NATS_WEBSOCKET_PORT }] },
      deps,
    ),
  carries,
)

describe('JetStream', () => {
  const limits = { maxWaitMs: 0, maxBytes: 1_000_000 }
  const newSubject = () => `orders.${crypto.randomUUID()}`
  const open = () => createNatsLog(env, natsConfig(), deps)

  async function produce(subject: string, ...values: readonly string[]) {
    return open().produce(values.map((value) => ({ topic: `nats:${subject}`, value: bytes(value) })))
  }

  function readFrom(log: ReturnType<typeof open>, subject: string, offset: number, topicId: string | null = null) {
    return log.fetch({ topic: `nats:${subject}`, partition: 0, offset, topicId }, limits)
  }

  const valuesOf = (fetched: Awaited<ReturnType<typeof readFrom>>) =>
    fetched.kind === 'records'
      ? fetched.records.map(({ value }) => new TextDecoder().decode(value ?? bytes('')))
      : fetched

  it('reads one subject of a stream, and moves past what is published on the others', async () => {
    const [mine, other] = [newSubject(), newSubject()]
    await createStream([mine, other])
    await produce(mine, 'a')
    await produce(other, 'x', 'y')
    await produce(mine, 'b')
    await produce(other, 'z')
    const log = open()
    const fetched = await readFrom(log, mine, 1)
    expect(valuesOf(fetched)).toEqual(['a', 'b'])
    expect(fetched).toMatchObject({ next: 5 })
    expect(await readFrom(log, mine, 5)).toMatchObject({ kind: 'records', records: [], next: 6 })
    await produce(mine, 'c')
    // The server tells a consumer of a stored message only after it has confirmed it to the publisher.
    const wait = { ...limits, maxWaitMs: 20_000 }
    const next = await log.fetch({ topic: `nats:${mine}`, partition: 0, offset: 6 }, wait)
    expect(valuesOf(next)).toEqual(['c'])
  })

  it('reads all subjects of a wildcard, each record with its own', async () => {
    const base = newSubject()
    await createStream([`${base}.>`])
    await produce(`${base}.paid`, 'a')
    await produce(`${base}.sent.abroad`, 'b')
    const fetched = await readFrom(open(), `${base}.>`, 1)
    expect(fetched).toMatchObject({
      records: [`${base}.paid`, `${base}.sent.abroad`].map((subject) => ({
        topic: `nats:${base}.>`,
        headers: [{ key: 'Nats-Subject', value: bytes(subject) }],
      })),
    })
  })

  it('says how much a purge has taken that was not read', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    await produce(subject, 'a', 'b', 'c')
    const log = open()
    expect(valuesOf(await readFrom(log, subject, 1))).toEqual(['a', 'b', 'c'])
    await produce(subject, 'd', 'e')
    await api(`STREAM.PURGE.${stream}`, {})
    expect(await readFrom(log, subject, 4)).toMatchObject({ kind: 'offset_out_of_range', earliest: 6, latest: 6 })
    await produce(subject, 'f')
    expect(valuesOf(await readFrom(log, subject, 6))).toEqual(['f'])
  })

  it('says how much is gone before what has come since', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    await produce(subject, 'a')
    const log = open()
    await readFrom(log, subject, 1)
    await produce(subject, 'b', 'c')
    await api(`STREAM.PURGE.${stream}`, {})
    await produce(subject, 'd')
    expect(await readFrom(log, subject, 2)).toMatchObject({ kind: 'offset_out_of_range', earliest: 4 })
    expect(valuesOf(await readFrom(log, subject, 4))).toEqual(['d'])
  })

  it('knows a stream that was deleted and created again', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    await produce(subject, 'a', 'b')
    const log = open()
    const first = await readFrom(log, subject, 1)
    const topicId = first.kind === 'records' ? (first.topicId ?? null) : null
    await api(`STREAM.DELETE.${stream}`, {})
    expect(await readFrom(log, subject, 3, topicId)).toEqual({ kind: 'unknown_topic_or_partition' })
    await createStream([subject], stream)
    await produce(subject, 'c', 'd', 'e')
    expect(await readFrom(log, subject, 3, topicId)).toMatchObject({ kind: 'offset_out_of_range', earliest: 1 })
    expect(valuesOf(await readFrom(log, subject, 1))).toEqual(['c', 'd', 'e'])
  })

  it('goes on with a new consumer when the server has lost the old one', async () => {
    const subject = newSubject()
    const stream = await createStream([subject])
    await produce(subject, 'a')
    const log = open()
    await readFrom(log, subject, 1)
    const consumers = (await api(`CONSUMER.NAMES.${stream}`, {})) as { readonly consumers: readonly string[] }
    for (const name of consumers.consumers) await api(`CONSUMER.DELETE.${stream}.${name}`, {})
    await produce(subject, 'b')
    expect(valuesOf(await readFrom(log, subject, 2))).toEqual(['b'])
  })

  it('reads again from an earlier offset, as after a failed append', async () => {
    const subject = newSubject()
    await createStream([subject])
    await produce(subject, 'a', 'b', 'c')
    const log = open()
    await readFrom(log, subject, 1)
    expect(valuesOf(await readFrom(log, subject, 2))).toEqual(['b', 'c'])
  })

  it('returns about as many bytes as asked for, and one record of any size', async () => {
    const subject = newSubject()
    await createStream([subject])
    const large = 'x'.repeat(200_000)
    await produce(subject, large, large, large, large)
    const log = open()
    const few = { maxWaitMs: 0, maxBytes: 450_000 }
    const position = { topic: `nats:${subject}`, partition: 0 }
    expect(await log.fetch({ ...position, offset: 1 }, few)).toMatchObject({ kind: 'records', next: 3 })
    expect(await log.fetch({ ...position, offset: 3 }, { ...few, maxBytes: 1_000 })).toMatchObject({ next: 4 })
  })

  it('stores a record with a known idempotency key once', async () => {
    const subject = newSubject()
    await createStream([subject])
    const record = { topic: `nats:${subject}`, value: bytes('a'), idempotencyKey: 'one' }
    expect(await open().produce([record])).toMatchObject([{ offset: 1 }])
    expect(await open().produce([record])).toMatchObject([{ offset: 1, duplicate: true }])
    expect(valuesOf(await readFrom(open(), subject, 1))).toEqual(['a'])
  })

  it('returns an empty payload as a tombstone', async () => {
    const subject = newSubject()
    await createStream([subject])
    await open().produce([{ topic: `nats:${subject}`, value: null }])
    expect(await readFrom(open(), subject, 1)).toMatchObject({ records: [{ value: null }] })
  })

  it('has no partitions for a subject that no stream has, and says so when it is published to', async () => {
    const subject = newSubject()
    expect(await open().partitions(`nats:${subject}`)).toEqual([])
    expect(await readFrom(open(), subject, 1)).toEqual({ kind: 'unknown_topic_or_partition' })
    await expect(produce(subject, 'a')).rejects.toThrow('no stream of JetStream has the subject')
  })
})

describe('core NATS', () => {
  /** Each follower has a queue group of its own: one that a test has left stays subscribed, and would take messages. */
  const open = () => createNatsLog(env, { ...natsConfig(), mode: 'core', queueGroup: crypto.randomUUID() }, deps)

  it('reads what is published while it is there, with offsets that grow from one life to the next', async () => {
    const topic = `nats:core.${crypto.randomUUID()}`
    const publish = async (...values: readonly string[]) => {
      const session = new NatsSession(natsConfig())
      await session.use(async (connection) => {
        for (const value of values) connection.publish(topic.slice('nats:'.length), value)
        await connection.flush()
      })
      session.close()
    }
    const log = open()
    const { latest } = await log.offsets(topic, 0)
    const wait = { maxWaitMs: 20_000, maxBytes: 1_000_000 }
    expect(await log.fetch({ topic, partition: 0, offset: latest }, { ...wait, maxWaitMs: 0 })).toMatchObject({
      records: [],
      next: latest,
    })
    await publish('a', 'b')
    const first = await log.fetch({ topic, partition: 0, offset: latest }, wait)
    if (first.kind !== 'records') throw new Error(first.kind)
    const [a] = first.records
    expect(first.records.map(({ value }) => new TextDecoder().decode(value ?? bytes('')))).toContain('a')
    expect(a?.offset).toBeGreaterThanOrEqual(latest)
    const again = open()
    await again.fetch({ topic, partition: 0, offset: first.next }, { ...wait, maxWaitMs: 0 })
    await publish('c', 'd')
    const second = await again.fetch({ topic, partition: 0, offset: first.next }, wait)
    if (second.kind !== 'records') throw new Error(second.kind)
    expect(second.records[0]?.offset).toBeGreaterThanOrEqual(first.next)
  })
})
