import { env } from 'cloudflare:workers'
import {
  createMessageBatch,
  createExecutionContext,
  evictDurableObject,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { describe, expect, it, vi } from 'vitest'
import { bitmapOf } from '../../../src/core/interest/bitmap.ts'
import { InterestIndex } from '../../../src/following/interest-index.ts'
import worker from '../../../src/index.ts'
import { breakLog, mendLog } from '../../support/break-log.ts'
import { connectWs, publish } from '../../support/gateway-client.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(/following (failed, to be tried again|goes on)/, /queue message not consumed/)

const anyOf = (eventType: string) => [{ eventType, oneOf: [] }]
const START = { offset: 0, generation: 0, topicId: null, records: 0, deadLetters: 0, lost: 0 }
const compare = (a: string, b: string) => a.localeCompare(b)
const ids = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event }) => event['id'])

describe('a follower', () => {
  it('goes on from its checkpoint, and with the interests it knew, after it was evicted', async () => {
    const client = await connectWs({ subscriptions: anyOf('kept') })
    const { partition } = await publish({ id: 'k1', type: 'kept', partitionkey: 'k' })
    await client.untilType('kept', 1)
    const follower = env.EMBEDDED_LOG.getByName(`rig/${partition}`)
    await evictDurableObject(follower)
    await publish({ id: 'k2', type: 'kept', partitionkey: 'k' })
    expect(ids(await client.untilType('kept', 2))).toEqual(['k1', 'k2'])
    expect((await follower.status()).counters).toMatchObject({
      offset: 2,
      generation: 0,
      records: 2,
      deadLetters: 0,
      lost: 0,
    })
  })

  it('sleeps when there is nothing to read: no alarm is left', async () => {
    const follower = env.EMBEDDED_LOG.getByName('rig/3')
    await follower.nudge()
    await runInDurableObject(follower, async (_instance, state) => expect(await state.storage.getAlarm()).toBeNull())
  })

  it('that dies between append and checkpoint appends again, and nobody gets an event twice', async () => {
    const client = await connectWs({ subscriptions: anyOf('once') })
    const { partition } = await publish({ id: 'o1', type: 'once', partitionkey: 'o' })
    await client.untilType('once', 1)
    const follower = env.EMBEDDED_LOG.getByName(`rig/${partition}`)
    await runInDurableObject(follower, (_instance, { storage }) => {
      storage.sql.exec('UPDATE segment_log SET state = ?', JSON.stringify({ checkpoint: START }))
    })
    await evictDurableObject(follower)
    await publish({ id: 'o2', type: 'once', partitionkey: 'o' })
    expect(ids(await client.untilType('once', 2))).toEqual(['o1', 'o2'])
  })

  it('that fails tries again by alarm, is not hurried by nudges, and loses nothing', async () => {
    const client = await connectWs({ subscriptions: anyOf('late') })
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.999)
    const shards = [0, 1, 2].map((shard) => env.USER_SHARD.getByName(`shard-${shard}`))
    await Promise.all(shards.map((shard) => breakLog(shard)))
    const { partition } = await publish({ id: 'l1', type: 'late', partitionkey: 'l' })
    const follower = env.EMBEDDED_LOG.getByName(`rig/${partition}`)
    // By then the next try is some seconds away, so that what follows cannot meet it.
    for (let tries = 0; tries < 20 && (await follower.status()).failures < 6; tries += 1) {
      await runDurableObjectAlarm(follower)
    }
    const before = await follower.status()
    expect(before.failures).toBeGreaterThanOrEqual(6)
    await follower.nudge()
    expect(await follower.status()).toEqual(before)
    expect(before).toMatchObject({
      running: false,
      lag: 1,
      lastError: expect.stringMatching(/broken log|segments_/) as string,
    })
    await Promise.all(shards.map((shard) => mendLog(shard)))
    await runDurableObjectAlarm(follower)
    random.mockRestore()
    expect(ids(await client.untilType('late', 1))).toEqual(['l1'])
    expect(await follower.status()).toMatchObject({ failures: 0, lastError: null, lag: 0 })
  })

  it('applies updates of interest in order, once, and says what it has', async () => {
    const follower = env.TOPIC_FOLLOWER.getByName('other/0')
    const seen = await runInDurableObject(follower, (_instance, state) => {
      const index = new InterestIndex(state.storage)
      const update = (after: number, version: number, types: readonly string[]) => ({
        epoch: 'one',
        after,
        version,
        bitmaps: [{ shard: 1, version, bitmap: bitmapOf(types) }],
        watches: [],
      })
      const reached = [
        index.apply(update(4, 5, ['t5'])),
        index.apply(update(0, 4, ['t4'])),
        index.apply(update(5, 6, ['t6'])),
        index.apply(update(2, 5, ['t5'])),
        index.apply(update(2, 3, ['t3'])),
      ]
      const reopened = new InterestIndex(state.storage)
      return { reached, at: reopened.at, shards: ['t4', 't5', 't6'].map((type) => [...reopened.shardsOf(type)]) }
    })
    expect(seen).toEqual({ reached: [null, 4, 4, 5, 5], at: { epoch: 'one', version: 5 }, shards: [[], [1], []] })
  })
})

describe('the queue', () => {
  it('publishes events, takes nudges, and dead-letters what is neither, message by message', async () => {
    const client = await connectWs({ subscriptions: anyOf('queued') })
    const event = { specversion: '1.0', id: 'q1', source: '/t', type: 'queued' }
    const bodies: unknown[] = [
      event,
      JSON.stringify({ ...event, id: 'q2' }),
      [{ ...event, id: 'q3' }],
      { nudge: {} },
      'garbage',
    ]
    const result = await consume(bodies)
    expect([result.acked, result.retried]).toEqual([['0', '1', '2', '3', '4'], []])
    expect(new Set(ids(await client.untilType('queued', 3)))).toEqual(new Set(['q1', 'q2', 'q3']))
  })

  it('takes messages that are bytes, and dead-letters what JSON has no words for', async () => {
    const client = await connectWs({ subscriptions: anyOf('bytes') })
    const event = JSON.stringify({ specversion: '1.0', id: 'b1', source: '/t', type: 'bytes' })
    const bodies: unknown[] = [new TextEncoder().encode(event).buffer, 1n, null, { nudge: { topic: 'foreign' } }]
    const result = await consume(bodies)
    expect([result.acked, result.retried]).toEqual([['0', '1', '2', '3'], []])
    expect(ids(await client.untilType('bytes', 1))).toEqual(['b1'])
  })

  it('makes users of no bytes that are not UTF-8, which would all be one', async () => {
    const user = `a\ufffd${crypto.randomUUID()}`
    const client = await connectWs({ user })
    const event = (id: string) =>
      JSON.stringify({ specversion: '1.0', id, source: '/t', type: 'utf8', data: { recipients: [user] } })
    const broken = new TextEncoder().encode(event('u1')).filter((byte) => byte !== 0xbf)
    const whole = new TextEncoder().encode(event('u2'))
    const result = await consume([broken.buffer, broken, whole])
    expect([result.acked, result.retried]).toEqual([['0', '1', '2'], []])
    expect(ids(await client.untilType('utf8', 1))).toEqual(['u2'])
  })

  it('tries a message again later when the log does not take it, and settles the others', async () => {
    const event = { specversion: '1.0', id: 'r1', source: '/t', type: 'refused' }
    const result = await consume([{ ...event, data: 'x'.repeat(1_900_000) }, event], 3)
    expect(result).toEqual({ acked: ['1'], retried: ['0'], delays: [8] })
  })

  it('stores the events of a message that is delivered again once', async () => {
    const client = await connectWs({ subscriptions: anyOf('again') })
    const event = { specversion: '1.0', source: '/t', type: 'again' }
    const bodies = [
      [
        { ...event, id: 'a1' },
        { ...event, id: 'a1' },
      ],
      { ...event, id: 'a2' },
    ]
    const call = crypto.randomUUID()
    for (const attempts of [1, 2]) expect((await consume(bodies, attempts, call)).acked).toEqual(['0', '1'])
    await consume([{ ...event, id: 'last' }])
    expect(
      ids(await client.untilType('again', 4))
        .map(String)
        .toSorted(compare),
    ).toEqual(['a1', 'a1', 'a2', 'last'])
  })
})

/** A message's id is its place among them; those of one call are no others' unless `call` says so. */
async function consume(bodies: readonly unknown[], attempts = 1, call: string = crypto.randomUUID()) {
  const messages = bodies.map((body, n) => ({ id: `${call} ${n}`, timestamp: new Date(1), attempts, body }))
  const batch = createMessageBatch('rigel-events', messages)
  const retries = batch.messages.map((message) => vi.spyOn(message, 'retry'))
  await worker.queue(batch, env)
  const delays = retries.flatMap(({ mock }) => mock.calls.map(([options]) => options?.delaySeconds))
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext())
  const placeOf = (id: string) => id.slice(call.length + 1)
  return { acked: explicitAcks.map(placeOf), retried: retryMessages.map(({ msgId }) => placeOf(msgId)), delays }
}
