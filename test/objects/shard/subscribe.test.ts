// A client that comes back with a position and says only afterwards, by PUT or in-band, what it wants: RIG's way.
import { describe, expect, it } from 'vitest'
import type { Subscription } from '../../../src/core/subscriptions/subscription.ts'
import { asUser, batch, event, newShard, SseClient, WsClient } from '../../support/shard-clients.ts'

const greeting: Subscription = { eventType: 'greeting', oneOf: [] }
const farewell: Subscription = { eventType: 'farewell', oneOf: [] }
const alice = asUser('alice')

type Shard = ReturnType<typeof newShard>
const idOf = (token: unknown) => String(token).split('.')[1] ?? ''
const dataOf = (frame: { data: Record<string, unknown> } | undefined) => frame?.data['data'] as Record<string, unknown>
const eventIds = (json: readonly string[]) => json.map((text) => (JSON.parse(text) as { id: string; type: string }).id)

/** A client has seen event 0 and left; 1 and 3 are greetings, 2 is alice's, 4 a farewell. */
async function aClientLeft(shard: Shard): Promise<string> {
  const first = await SseClient.open(shard, { principal: alice, subscriptions: [greeting] })
  await shard.append([batch([event(0)])])
  await first.until(3)
  await first.close()
  const missed = [event(1), event(2, { recipients: ['alice'] }), event(3), event(4, { type: 'farewell' })]
  await shard.append([batch(missed)])
  return first.lastEventId
}

describe('a client that comes back and subscribes afterwards', () => {
  it('gets by SSE what it missed, nothing twice, and then what is new', async () => {
    const shard = newShard()
    const lastEventId = await aClientLeft(shard)
    const client = await SseClient.open(shard, { principal: alice, lastEventId })
    const [created, , addressed] = await client.until(3)
    expect(addressed?.data['id']).toBe('2')
    const set = await shard.setSubscriptions(idOf(dataOf(created)['connection_token']), [greeting], alice)
    expect(set.ok).toBe(true)
    await shard.append([batch([event(5)])])
    const [, confirmed] = await client.until(2, 'rig.subscriptions_set')
    expect(confirmed?.data).toMatchObject({ recovered: true, data: [greeting] })
    const frames = await client.until(4, 'greeting')
    expect(frames.map((frame) => frame.data['id'])).toEqual(['2', '1', '3', '5'])
    await client.close()
  })

  it('gets by rigel.v1, in-band, what it missed', async () => {
    const shard = newShard()
    const lastEventId = await aClientLeft(shard)
    const client = await WsClient.open(shard, { principal: alice, lastEventId, protocol: 'rigel.v1' })
    await client.untilType('greeting', 1)
    client.socket.send(JSON.stringify({ type: 'subscribe', ref: 'r', subscriptions: [greeting] }))
    const events = await client.untilType('greeting', 3)
    expect(events.map(({ event: { id } }) => id)).toEqual(['2', '1', '3'])
  })

  it('gets by long-polling what it missed, and once more if the answer was lost', async () => {
    const shard = newShard()
    const lastEventId = await aClientLeft(shard)
    const session = await shard.openLongpolling(alice, [], lastEventId)
    if (!session.ok) throw new Error(session.reason.kind)
    const id = idOf(session.value.connectionToken)
    const first = await shard.poll(id, null)
    if (!first.ok) throw new Error(first.reason.kind)
    await shard.setSubscriptions(id, [greeting], alice)
    const answers = [await shard.poll(id, first.value.lastEventId), await shard.poll(id, first.value.lastEventId)]
    for (const answer of answers) {
      if (!answer.ok) throw new Error(answer.reason.kind)
      expect(answer.value.recovered).toBe(true)
      expect(eventIds(answer.value.events).slice(0, 2)).toEqual(['1', '3'])
    }
    await shard.append([batch([event(5)])])
    const next = answers[0]?.ok ? await shard.poll(id, answers[0].value.lastEventId) : undefined
    expect(next?.ok && eventIds(next.value.events)).toEqual(['5'])
  })

  it('is told of the gap when the shard did not follow the type', async () => {
    const shard = newShard()
    const lastEventId = await aClientLeft(shard)
    const client = await SseClient.open(shard, { principal: alice, lastEventId })
    const [created] = await client.until(1)
    await shard.setSubscriptions(idOf(dataOf(created)['connection_token']), [farewell], alice)
    const [, confirmed] = await client.until(2, 'rig.subscriptions_set')
    expect(confirmed?.data).toMatchObject({ recovered: false })
    await client.close()
  })

  it('gets nothing old by its second set, nor does a client that gave no position', async () => {
    const shard = newShard()
    const lastEventId = await aClientLeft(shard)
    const back = await SseClient.open(shard, { principal: alice, lastEventId })
    const fresh = await SseClient.open(shard, { principal: alice })
    for (const client of [back, fresh]) {
      const [created] = await client.until(1)
      const id = idOf(dataOf(created)['connection_token'])
      if (client === back) await shard.setSubscriptions(id, [], alice)
      await shard.setSubscriptions(id, [greeting], alice)
    }
    await shard.append([batch([event(5)])])
    expect((await back.until(2, 'greeting')).map((frame) => frame.data['id'])).toEqual(['2', '5'])
    expect((await fresh.until(1, 'greeting')).map((frame) => frame.data['id'])).toEqual(['5'])
    expect(fresh.frames.filter(({ data }) => 'recovered' in data)).toEqual([])
    await Promise.all([back.close(), fresh.close()])
  })
})
