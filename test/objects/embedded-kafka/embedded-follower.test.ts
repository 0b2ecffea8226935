// A partition of the embedded log follows itself: it takes over from its TopicFollower once, which then no longer follows.
import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { NO_DEAD_LETTERS } from '../../../src/following/dead-letters.ts'
import { CheckpointStore } from '../../../src/following/checkpoint-store.ts'
import { connectWs } from '../../support/gateway-client.ts'

const record = (id: string) => ({
  timestampMs: 1,
  key: null,
  headers: [],
  value: new TextEncoder().encode(JSON.stringify({ specversion: '1.0', id, source: '/t', type: 'taken' })),
})

it('goes on where its TopicFollower was, which no longer follows', async () => {
  const follower = env.TOPIC_FOLLOWER.getByName('rig/1')
  const log = env.EMBEDDED_LOG.getByName('rig/1')
  await runInDurableObject(follower, (_instance, { storage }) => {
    const checkpoints = new CheckpointStore(storage.sql)
    checkpoints.start(0)
    checkpoints.move(
      { offset: 1, generation: 2, topicId: null },
      { records: 1, deadLetters: { ...NO_DEAD_LETTERS, count: 1 }, lost: 3, dropped: 0 },
    )
  })
  await log.append([record('followed before')])
  const client = await connectWs({ subscriptions: [{ eventType: 'taken', oneOf: [] }] })
  await log.append([record('new')])
  await log.nudge()
  expect((await client.untilType('taken', 1)).map(({ event }) => event['id'])).toEqual(['new'])
  const counters = { offset: 2, generation: 2, topicId: null, records: 2, deadLetters: 1, lost: 3, dropped: 0 }
  expect(await log.status()).toMatchObject({ counters, lag: 0, failures: 0 })
  await follower.nudge()
  await runInDurableObject(follower, (_instance, { storage }) => {
    expect(new CheckpointStore(storage.sql).read()?.offset).toBe(1)
  })
  await evictDurableObject(log)
  await log.append([record('newer')])
  await log.nudge()
  expect((await client.untilType('taken', 2)).map(({ event }) => event['id'])).toEqual(['new', 'newer'])
  expect((await log.status()).counters).toMatchObject({ offset: 3, generation: 2 })
})

it('is not followed by its TopicFollower too, even if that is nudged before it has handed over', async () => {
  const follower = env.TOPIC_FOLLOWER.getByName('rig/0')
  await follower.nudge()
  expect((await follower.status()).counters).toBeNull()
})
