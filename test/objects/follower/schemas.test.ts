import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeFrame } from '../../../src/schema-registry/wire-format.ts'
import { connectSse, fetchRigel } from '../../support/gateway-client.ts'
import { TestRegistry } from '../../support/registry.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { eventually } from '../../support/eventually.ts'

expectLogs(/following (failed, to be tried again|goes on)/, /records went to the dead-letter topic/)

const registry = new TestRegistry('main')
const bytes = (text: string) => new TextEncoder().encode(text)
const subscriptions = [{ eventType: 'booked', oneOf: [] }]
const PARTITION = 1
const log = () => env.EMBEDDED_LOG.getByName(`rig/${PARTITION}`)
const follower = () => env.EMBEDDED_LOG.getByName(`rig/${PARTITION}`)

const BOOKING = {
  type: 'record',
  name: 'Booking',
  fields: [
    { name: 'room', type: 'long' },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    { name: 'note', type: ['null', 'string'] },
  ],
}
/** Room 9007199254740993, 123.45, "a". */
const BOOKED = Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 4, 0x30, 0x39, 2, 2, 0x61)

function record(value: Uint8Array, headers: Readonly<Record<string, string>>) {
  return {
    timestampMs: 1,
    key: null,
    headers: Object.entries(headers).map(([key, text]) => ({ key, value: bytes(text) })),
    value,
  }
}

/** As RIG writes requests with KAFKA_SERIALIZER=avro. */
const asRig = (id: string) => ({
  ce_specversion: '0.2',
  ce_id: id,
  ce_source: '/s',
  ce_type: 'booked',
  ce_contenttype: 'avro/binary',
  'content-type': 'avro/binary',
})

async function deadLetters(): Promise<readonly string[]> {
  const reasons: string[] = []
  for (let partition = 0; partition < 4; partition += 1) {
    const response = await fetchRigel('/_rig/kafka/fetch', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('rigel:test')}` },
      body: JSON.stringify({ topic: 'rig-dead-letter', partition, offset: 0, timeout: 0 }),
    })
    const records = await response.json<{ headers: { key: string; value: string }[] }[]>()
    reasons.push(
      ...records
        .flatMap(({ headers }) => headers.filter(({ key }) => key === 'rigel-reason'))
        .map(({ value }) => value),
    )
  }
  return reasons
}

let bookingId = 0
beforeAll(async () => {
  bookingId = await registry.register('booking-value', BOOKING)
})

describe('a record in Avro', () => {
  it('reaches browsers as JSON, its data exact, as RIG’s binary mode and as an event that is Avro all through', async () => {
    const client = await connectSse({ subscriptions })
    const event = {
      type: 'record',
      name: 'Event',
      fields: ['specversion', 'id', 'source', 'type'].map((name) => ({ name, type: 'string' })),
    }
    const eventId = await registry.register('event-value', {
      ...event,
      fields: [...event.fields, { name: 'data', type: 'long' }],
    })
    const text = (of: string) => [of.length * 2, ...bytes(of)]
    const whole = Uint8Array.from(['1.0', 'a2', '/s', 'booked'].flatMap(text).concat(2))
    await log().append([
      record(writeFrame(bookingId, BOOKED), asRig('a1')),
      record(writeFrame(eventId, whole), { 'content-type': 'application/cloudevents+avro' }),
      record(writeFrame(eventId, Uint8Array.from(['1.0', 'a3', '/s', 'booked'].flatMap(text).concat(4))), {}),
    ])
    const frames = await client.until(3, 'booked')
    expect(frames[0]?.raw).toContain('"data":{"room":9007199254740993,"price":"123.45","note":"a"}')
    expect(frames.map(({ data }) => data)).toMatchObject([
      { specversion: '0.2', id: 'a1', contenttype: 'application/json', data: { price: '123.45' } },
      { id: 'a2', data: 1 },
      { id: 'a3', data: 2 },
    ])
    await client.close()
  })

  it('that cannot be read, or is of an unknown schema, is a dead letter with its reason, and blocks nothing', async () => {
    const client = await connectSse({ subscriptions })
    const before = (await deadLetters()).length
    await log().append([
      record(writeFrame(bookingId, BOOKED.subarray(0, -1)), asRig('b1')),
      record(writeFrame(77_777, BOOKED), asRig('b2')),
      ...Array.from({ length: 20 }, (_, n) => record(writeFrame(80_000 + n, BOOKED), asRig(`c${n}`))),
      record(BOOKED, asRig('b3')),
      record(writeFrame(bookingId, BOOKED), asRig('b4')),
    ])
    expect((await client.until(1, 'booked')).map(({ data }) => data['id'])).toEqual(['b4'])
    const reasons = (await deadLetters()).slice(before)
    expect(reasons.length).toBe(23)
    expect(reasons).toContainEqual(expect.stringContaining(`match its schema ${bookingId}`))
    expect(reasons).toContain('the schema registry has no schema 77777')
    expect(reasons).toContainEqual(expect.stringContaining('wire format'))
    await client.close()
  })

  it.each([
    ['refused credentials', 401],
    ['a failure', 500],
  ])(
    'waits for a registry in trouble (%s), and comes when it is over: once, and without a dead letter',
    async (_, fault) => {
      const client = await connectSse({ subscriptions })
      const before = (await deadLetters()).length
      const id = await registry.register('booking-value', { ...BOOKING, name: `Booking${fault}` })
      await registry.behave({ fault })
      await log().append([record(writeFrame(id, BOOKED), asRig(`late-${fault}`))])
      await eventually(async () =>
        expect(await follower().status()).toMatchObject({
          lastError: expect.stringContaining(`schema registry ${registry.url}`) as string,
        }),
      )
      await runDurableObjectAlarm(follower())
      expect((await follower().status()).failures).toBeGreaterThanOrEqual(1)
      await registry.behave({})
      await eventually(async () => {
        await runDurableObjectAlarm(follower())
        expect(await follower().status()).toMatchObject({ failures: 0, lastError: null, lag: 0 })
      })
      expect((await client.until(1, 'booked')).map(({ data }) => data['id'])).toEqual([`late-${fault}`])
      expect((await deadLetters()).length).toBe(before)
      await client.close()
    },
  )
})
