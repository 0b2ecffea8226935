import { env } from 'cloudflare:workers'
import {
  createMessageBatch,
  createExecutionContext,
  evictDurableObject,
  getQueueResult,
  runInDurableObject,
} from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { InterestIndex } from '../../src/ingest/interest-index.ts'
import worker from '../../src/index.ts'
import { connectWs, publish } from '../support/front-door.ts'

const anyOf = (eventType: string) => [{ eventType, oneOf: [] }]
const ids = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event }) => event['id'])

describe('a follower', () => {
  it('goes on from its checkpoint, and with the interests it knew, after it was evicted', async () => {
    const client = await connectWs({ subscriptions: anyOf('kept') })
    const { partition } = await publish({ id: 'k1', type: 'kept', partitionkey: 'k' })
    await client.untilType('kept', 1)
    const follower = env.TOPIC_FOLLOWER.getByName(`rig/${partition}`)
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
    const follower = env.TOPIC_FOLLOWER.getByName('rig/3')
    await follower.nudge()
    await runInDurableObject(follower, async (_instance, state) => expect(await state.storage.getAlarm()).toBeNull())
  })

  it('applies interest in order, and notices a gap', async () => {
    const follower = env.TOPIC_FOLLOWER.getByName('other/0')
    const seen = await runInDurableObject(follower, (_instance, state) => {
      const index = new InterestIndex(state.storage)
      const change = (version: number) => ({ version, shard: 1, gained: [`t${version}`], lost: [] })
      const early = index.apply(change(1))
      index.replace({ version: 4, interests: [{ shard: 7, types: ['t'] }] })
      return [
        early,
        index.apply(change(3)),
        index.apply(change(5)),
        index.apply(change(7)),
        [...index.shardsOf('t5')],
        [...index.shardsOf('t7')],
        [...new InterestIndex(state.storage).shardsOf('t')],
      ]
    })
    expect(seen).toEqual([false, true, true, false, [1], [], [7]])
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
    const messages = bodies.map((body, n) => ({ id: String(n), timestamp: new Date(1), attempts: 1, body }))
    const batch = createMessageBatch('rigel-events', messages)
    const context = createExecutionContext()
    await worker.queue(batch, env)
    const result = await getQueueResult(batch, context)
    expect([result.explicitAcks, result.retryMessages]).toEqual([['0', '1', '2', '3', '4'], []])
    expect(new Set(ids(await client.untilType('queued', 3)))).toEqual(new Set(['q1', 'q2', 'q3']))
  })
})
