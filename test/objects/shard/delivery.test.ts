import { describe, expect, it } from 'vitest'
import type { Constraint } from '../../../src/core/subscriptions/subscription.ts'
import { asUser, batch, event, newShard, SseClient, WsClient } from '../../support/shard-clients.ts'

const greeting = { eventType: 'greeting', oneOf: [] }
const numbers = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event: e }) => Number(e['id']))

describe('a shard delivers', () => {
  it('first the create event, then the subscriptions, then what is subscribed to, with growing positions', async () => {
    const shard = newShard()
    const client = await SseClient.open(shard, { subscriptions: [greeting] })
    await shard.append([batch([event(0), event(1, { type: 'other' }), event(2)])])
    const frames = await client.until(4)
    expect(frames.map((frame) => frame.event)).toEqual([
      'rig.connection.create',
      'rig.subscriptions_set',
      'greeting',
      'greeting',
    ])
    expect(frames[1]?.data['data']).toEqual([greeting])
    expect(frames.slice(2).map((frame) => frame.data['id'])).toEqual(['0', '2'])
    await client.close()
  })

  it('an addressed event to every connection of its user, whatever they subscribe to, and to nobody else', async () => {
    const shard = newShard()
    const alice = await SseClient.open(shard, { principal: asUser('alice') })
    const aliceToo = await WsClient.open(shard, { principal: asUser('alice') })
    const bob = await WsClient.open(shard, { principal: asUser('bob'), subscriptions: [greeting] })
    const anonymous = await WsClient.open(shard, { subscriptions: [greeting] })
    await shard.append([batch([event(0, { recipients: ['alice'] }), event(1)])])
    expect((await alice.until(1, 'greeting')).map((frame) => frame.data['id'])).toEqual(['0'])
    expect(numbers(await aliceToo.untilType('greeting', 1))).toEqual([0])
    expect(numbers(await bob.untilType('greeting', 1))).toEqual([1])
    expect(numbers(await anonymous.untilType('greeting', 1))).toEqual([1])
    await alice.close()
  })

  it('what meets any of the constraints, all members of it', async () => {
    const shard = newShard()
    const oneOf: readonly Constraint[] = [{ hotel: 'Ritz', room: 7 }, { hotel: 'Savoy' }]
    const client = await WsClient.open(shard, { subscriptions: [{ eventType: 'booking', oneOf }] })
    const booking = (offset: number, fields: Record<string, string | number>) =>
      event(offset, { type: 'booking', fields })
    await shard.append([
      batch([
        booking(0, { hotel: 'Ritz', room: 8 }),
        booking(1, { hotel: 'Ritz', room: 7 }),
        booking(2, { hotel: 'Savoy' }),
        booking(3, {}),
      ]),
    ])
    expect(numbers(await client.untilType('booking', 2))).toEqual([1, 2])
  })

  it('what it has not seen, however often it is appended; and anew after the generation grew', async () => {
    const shard = newShard()
    const client = await WsClient.open(shard, { subscriptions: [greeting] })
    await shard.append([batch([event(0), event(1)])])
    await shard.append([batch([event(0), event(1), event(2)])])
    await shard.append([batch([event(0)], { generation: 1 })])
    await shard.append([batch([event(3)], { generation: 0 })])
    await shard.append([batch([event(1)], { generation: 1 })])
    expect(numbers(await client.untilType('greeting', 5))).toEqual([0, 1, 2, 0, 1])
  })

  it('everything to rigel.v1 in one frame a batch, positions beside the events', async () => {
    const shard = newShard()
    const client = await WsClient.open(shard, { subscriptions: [greeting], protocol: 'rigel.v1' })
    await shard.append([batch([event(0), event(1)])])
    const events = await client.untilType('greeting', 2)
    expect(client.received.length).toBe(2)
    expect(events[0]?.id).toMatch(/^\d+\.[0-9a-f]+-\d+\.[0-9a-f]{16}$/)
  })
})

describe('a connection resumes', () => {
  it('on any transport with a position of any other', async () => {
    const shard = newShard()
    const first = await SseClient.open(shard, { subscriptions: [greeting] })
    await shard.append([batch([event(0), event(1), event(2)])])
    const [zero] = await first.until(3, 'greeting')
    await first.close()
    await shard.append([batch([event(3)])])

    const lastEventId = zero?.id ?? ''
    const sse = await SseClient.open(shard, { subscriptions: [greeting], lastEventId })
    const frames = await sse.until(5)
    expect(frames[0]?.data['data']).toMatchObject({ recovered: true })
    expect(frames.slice(2).map((frame) => frame.data['id'])).toEqual(['1', '2', '3'])

    const ws = await WsClient.open(shard, { subscriptions: [greeting], lastEventId, protocol: 'rigel.v1' })
    expect(numbers(await ws.untilType('greeting', 3))).toEqual([1, 2, 3])

    const session = await shard.openLongpolling(asUser('x'), [greeting], lastEventId)
    if (!session.ok) throw new Error(session.reason.kind)
    const id = session.value.connectionToken.split('.')[1] ?? ''
    const polled = await shard.poll(id, null)
    expect(polled.ok && polled.value.events.map((json) => (JSON.parse(json) as { id: string }).id).slice(0, 3)).toEqual(
      ['1', '2', '3'],
    )
    await sse.close()
  })

  it.each(['1.abc-0', 'garbage', ''])(
    'with a position that is not of its log (%j): is told so and goes on live',
    async (lastEventId) => {
      const shard = newShard()
      await (await SseClient.open(shard, { subscriptions: [greeting] })).close()
      await shard.append([batch([event(0)])])
      const client = await SseClient.open(shard, { subscriptions: [greeting], lastEventId })
      await shard.append([batch([event(1)])])
      const frames = await client.until(3)
      expect(frames[0]?.data['data']).toMatchObject({ recovered: false })
      expect(frames[2]?.data['id']).toBe('1')
      await client.close()
    },
  )

  it('is told of the gap when the shard did not follow a type it asks for now', async () => {
    const shard = newShard()
    const first = await SseClient.open(shard, { subscriptions: [greeting] })
    await first.until(2)
    await first.close()
    const client = await SseClient.open(shard, {
      subscriptions: [{ eventType: 'new', oneOf: [] }],
      lastEventId: first.lastEventId,
    })
    const [created] = await client.until(1)
    expect(created?.data['data']).toMatchObject({ recovered: false })
    await client.close()
  })
})
