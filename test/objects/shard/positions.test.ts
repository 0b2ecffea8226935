// Positions that lose nothing: of clients that subscribe only after they came back, and of connections on which nothing comes.
import { runDurableObjectAlarm } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { parsePosition } from '../../../src/core/identity/position.ts'
import { inComposedShard } from '../../support/composed-shard.ts'
import { asUser, batch, connectRequest, event, newShard, SseClient, WsClient } from '../../support/shard-clients.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'
import { stampConnect } from '../../../src/rpc/shard.ts'

const greeting = { eventType: 'greeting', oneOf: [] }
const alice = asUser('alice')
const idOf = (client: SseClient) => {
  const data = client.frames[0]?.data['data'] as Readonly<Record<string, unknown>>
  return String(data['connection_token']).split('.')[1] ?? ''
}
const seen = (client: SseClient) =>
  client.frames.filter(({ data }) => data['source'] === '/test').map(({ data }) => Number(data['id']))

/** Alice has seen greeting 0 and left; she missed greeting 1, came back, was sent 2, addressed to her, and dropped. */
async function aliceDropsBeforeSubscribing() {
  const shard = newShard()
  const first = await SseClient.open(shard, { principal: alice, subscriptions: [greeting] })
  await shard.append([batch([event(0)])])
  await first.until(1, 'greeting')
  await first.close()
  await shard.append([batch([event(1)])])
  const second = await SseClient.open(shard, { principal: alice, lastEventId: first.lastEventId })
  await second.until(2)
  await shard.append([batch([event(2, { recipients: ['alice'] })])])
  await second.until(1, 'greeting')
  await second.close()
  return { shard, lastEventId: second.lastEventId }
}

describe('a client that drops before it has said what it wants', () => {
  it('gets what it missed by a later PUT, once', async () => {
    const { shard, lastEventId } = await aliceDropsBeforeSubscribing()
    const third = await SseClient.open(shard, { principal: alice, lastEventId })
    await third.until(2)
    await shard.setSubscriptions(idOf(third), [greeting], alice)
    await shard.append([batch([event(3)])])
    const [, set] = await third.until(2, 'rig.subscriptions_set')
    expect(set?.data).toMatchObject({ recovered: true })
    await third.until(2, 'greeting')
    expect(seen(third)).toEqual([1, 3])
    await third.close()
  })

  it('gets what it missed if it says it when it connects, once', async () => {
    const { shard, lastEventId } = await aliceDropsBeforeSubscribing()
    const wanted = { principal: alice, lastEventId, subscriptions: [greeting] }
    const socket = await WsClient.open(shard, { ...wanted, protocol: 'rigel.v1' })
    const stream = await SseClient.open(shard, wanted)
    await shard.append([batch([event(3)])])
    await stream.until(2, 'greeting')
    expect(seen(stream)).toEqual([1, 3])
    expect((await socket.untilType('greeting', 2)).map(({ event: { id } }) => id)).toEqual(['1', '3'])
    await stream.close()
  })

  it('is given simple positions again once it has', async () => {
    const { shard, lastEventId } = await aliceDropsBeforeSubscribing()
    const position = parsePosition(lastEventId)
    expect(position?.openSeq).toBeLessThan(position?.seq ?? 0)
    const third = await SseClient.open(shard, { principal: alice, lastEventId })
    await third.until(2)
    await shard.setSubscriptions(idOf(third), [greeting], alice)
    await shard.append([batch([event(3)])])
    await third.until(2, 'greeting')
    const last = parsePosition(third.lastEventId)
    expect(last?.openSeq).toBe(last?.seq)
    await third.close()
  })
})

describe('a connection on which nothing comes', () => {
  it('of Phoenix is told the position of the log on each channel, and resumes from it', async () => {
    const shard = newShard()
    const phoenix = { vsn: 2, roles: [], meta: {} } as const
    const { webSocket } = await shard.fetch(
      ...stampConnect(connectRequest({ principal: alice, transport: 'phoenix', phoenix })),
    )
    if (webSocket === null) throw new Error('no WebSocket')
    const client = new PhoenixClient(webSocket)
    await client.ask('user:alice', 'phx_join')
    await shard.append([batch([event(0, { recipients: ['bob'] })])])
    await runDurableObjectAlarm(shard)
    const [push] = await client.untilEvent('user:alice', 'position')
    const lastEventId = String((push?.[4] as Readonly<Record<string, unknown>> | undefined)?.['last_event_id'])
    const resumed = await SseClient.open(shard, { principal: alice, lastEventId })
    expect((await resumed.until(1))[0]?.data['data']).toMatchObject({ recovered: true })
    await resumed.close()
  })

  it('with plain frames gets heartbeats with its position if they are switched on', async () => {
    await inComposedShard({ WEBSOCKET_HEARTBEAT_SECONDS: '1' }, async ({ connect, log }) => {
      const client = new WsClient(await connect({ transport: 'ws' }))
      await log.append([batch([event(0)])])
      const [heartbeat] = await client.untilType('rig.heartbeat', 1)
      expect(heartbeat?.event).toMatchObject({
        source: 'rig',
        data: { last_event_id: expect.stringContaining(log.position(log.committedSeq)) as string },
      })
      client.socket.close(1000)
    })
  })

  it('is told it by the answer to its poll, which is not woken for it', async () => {
    await inComposedShard({}, async ({ connect, connections, log, maintenance, transports }) => {
      await connect({ principal: alice, subscriptions: [greeting], transport: 'longpolling' })
      await log.settle()
      const [session] = connections.all()
      if (session === undefined) throw new Error('no session')
      const begun = await transports.longpolling.poll(session.state.id, null)
      const polled = transports.longpolling.poll(session.state.id, begun.ok ? begun.value.lastEventId : null)
      await log.append([batch([event(0, { type: 'other' })])])
      await maintenance.sweep()
      await log.append([batch([event(1)])])
      const answer = await polled
      expect(answer.ok ? answer.value.events.map((json) => JSON.parse(json) as unknown) : answer).toMatchObject([
        { id: '1', type: 'greeting' },
      ])
    })
  })

  const oneOf = { subscriptions: [greeting] }
  const rigel = { ...oneOf, transport: 'ws', protocol: 'rigel.v1' } as const
  it.each([
    ['rigel.v1', rigel, {}],
    ['plain frames with heartbeats', { ...oneOf, transport: 'ws' }, { WEBSOCKET_HEARTBEAT_SECONDS: '3600' }],
  ] as const)(
    'is told the position before a small log has dropped what it was told: %s',
    async (_name, wanted, heartbeats) => {
      const variables = { LOG_RETENTION_BYTES: '65536', ...heartbeats }
      await inComposedShard(variables, async ({ clock, connect, log, logStore, maintenance }) => {
        const client = new WsClient(await connect(wanted))
        const start = log.position(log.committedSeq)
        // Of 200 events of a kibibyte the log keeps 64 at most.
        for (let offset = 0; offset < 200; offset += 1) {
          clock.nowMs += 10
          await log.append([batch([event(offset, { type: 'other', utf8: new Uint8Array(1_024) })])])
          maintenance.appended()
          if (clock.alarmAtMs > clock.nowMs) continue
          clock.alarmAtMs = Infinity
          await maintenance.sweep()
        }
        await client.until(({ positions }) => logStore.resumable(positions.at(-1) ?? '') !== undefined)
        expect(logStore.resumable(start)).toBeUndefined()
        // Not with each event.
        expect(client.positions.length).toBeLessThan(20)
        client.socket.close(1000)
      })
    },
  )
})

describe('names of SSE frames', () => {
  it('are the types of the events, but not those by which EventSource fires its own listeners', async () => {
    const shard = newShard()
    const types = ['open', 'error', 'message', 'opened']
    const client = await SseClient.open(shard, { subscriptions: types.map((eventType) => ({ eventType, oneOf: [] })) })
    await shard.append([batch(types.map((type, index) => event(index, { type })))])
    const names = (await client.until(6)).slice(2).map((frame) => frame.event)
    expect(names).toEqual(['message', 'message', 'message', 'opened'])
    await client.close()
  })

  it('are all message with name=message, also those of Rigel’s own events', async () => {
    const shard = newShard()
    const request = stampConnect(connectRequest({ subscriptions: [greeting], naming: 'message' }))
    const client = new SseClient(await shard.fetch(...request))
    await shard.append([batch([event(0)])])
    const frames = await client.until(3)
    expect(frames.map((frame) => frame.event)).toEqual(['message', 'message', 'message'])
    expect(frames.map(({ data }) => data['type'])).toEqual([
      'rig.connection.create',
      'rig.subscriptions_set',
      'greeting',
    ])
    await client.close()
  })
})

describe('the time after which an EventSource comes back', () => {
  it.each([
    [0, 'retry: 1000'],
    [0.5, 'retry: 2500'],
    [0.999999, 'retry: 4000'],
  ])('differs by stream, from half to twice of RECONNECT_MS: %d', async (random, retry) => {
    await inComposedShard(
      { RECONNECT_MS: '2000' },
      async ({ connect }) => {
        const reader = (await connect({ transport: 'sse' })).body?.getReader()
        const { value } = (await reader?.read()) ?? {}
        expect(new TextDecoder().decode(value)).toMatch(new RegExp(`^${retry}\n`))
        await reader?.cancel()
      },
      () => random,
    )
  })
})
