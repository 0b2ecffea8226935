import { env } from 'cloudflare:workers'
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it, vi } from 'vitest'
import type { UserShard } from '../../../src/objects/shard/user-shard.ts'
import { toClose } from '../../../src/core/errors.ts'
import { inComposedShard } from '../../support/composed-shard.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { asUser, batch, event, newShard, SseClient, WsClient } from '../../support/shard-clients.ts'

expectLogs(/a stream cannot read the log/)

const greeting = { eventType: 'greeting', oneOf: [] }
const subscriptions = [greeting]
const idsOf = (frames: readonly { data: Record<string, unknown> }[]) => frames.map((frame) => Number(frame.data['id']))
const numbers = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event: e }) => Number(e['id']))
/** As in a deploy: the object is gone with all it has in memory, and its stubs with it. */
async function crash(shard: DurableObjectStub<UserShard>) {
  await runInDurableObject(shard, (_instance, state) => state.abort('crash')).catch(() => undefined)
  return env.USER_SHARD.getByName(shard.name ?? '')
}

const big = (offset: number, bytes: number) => {
  const json = JSON.stringify({
    specversion: '1.0',
    id: String(offset),
    source: '/t',
    type: 'greeting',
    data: 'x'.repeat(bytes),
  })
  return event(offset, { utf8: new TextEncoder().encode(json) })
}

describe('a shard that sleeps', () => {
  it.each([null, 'rigel.v1'] as const)('goes on with its WebSockets after hibernation (%s)', async (protocol) => {
    const shard = newShard()
    const client = await WsClient.open(shard, { subscriptions, protocol, principal: asUser('alice') })
    await shard.append([batch([event(0)])])
    await client.untilType('greeting', 1)
    await evictDurableObject(shard, { webSockets: 'hibernate' })
    await shard.append([batch([event(0), event(1), event(2, { type: 'private', recipients: ['alice'] })])])
    expect(numbers(await client.untilType('greeting', 2))).toEqual([0, 1])
    expect(numbers(await client.untilType('private', 1))).toEqual([2])
  })

  it('keeps subscriptions set later, and takes in-band ones after it woke', async () => {
    const shard = newShard()
    const client = await WsClient.open(shard, { protocol: 'rigel.v1' })
    client.socket.send(JSON.stringify({ type: 'subscribe', subscriptions, ref: 'r1' }))
    await client.until(({ received }) => received.some((frame) => frame.includes('"subscribed"')))
    await evictDurableObject(shard, { webSockets: 'hibernate' })
    await shard.append([batch([event(0)])])
    await client.untilType('greeting', 1)
    client.socket.send(JSON.stringify({ type: 'subscribe', subscriptions: [], ref: 'r2' }))
    await client.until(({ received }) => received.some((frame) => frame.includes('"r2"')))
    await shard.append([batch([event(1), event(2, { recipients: ['x'] })])])
    expect(numbers(client.ofType('greeting'))).toEqual([0])
  })

  it('loses its SSE streams when it dies, and they resume without a gap and without a repetition', async () => {
    const shard = newShard()
    const client = await SseClient.open(shard, { subscriptions })
    await shard.append([batch([event(0), event(1)])])
    await client.until(2, 'greeting')
    await shard.append([batch([event(2)])])
    const reborn = await crash(shard)
    await reborn.append([batch([event(3)])])
    const again = await SseClient.open(reborn, { subscriptions, lastEventId: client.lastEventId })
    const resumed = await again.until(2, 'greeting')
    expect(idsOf([...client.frames.filter((frame) => frame.event === 'greeting'), ...resumed])).toEqual([0, 1, 2, 3])
    expect(again.frames[0]?.data['data']).toMatchObject({ recovered: true })
    await again.close()
  })

  it('keeps long-polling sessions and what they have not fetched', async () => {
    const shard = newShard()
    const opened = await shard.openLongpolling(asUser('alice'), subscriptions, null)
    const id = opened.ok ? (opened.value.connectionToken.split('.')[1] ?? '') : ''
    await shard.append([batch([event(0)])])
    await evictDurableObject(shard)
    const polled = await shard.poll(id, null)
    if (!polled.ok) throw new Error(polled.reason.kind)
    const types = polled.value.events.map((json) => (JSON.parse(json) as { type: string }).type)
    expect(types).toEqual(['rig.connection.create', 'rig.subscriptions_set', 'greeting'])
    const waiting = shard.poll(id, polled.value.lastEventId)
    await shard.append([batch([event(1)])])
    const next = await waiting
    expect(next.ok && next.value.events.length).toBe(1)
  })
})

describe('a slow reader', () => {
  it('of SSE is cut at the bound while others go on, and resumes', async () => {
    const shard = newShard()
    const slow = await SseClient.open(shard, { subscriptions })
    const fast = await SseClient.open(shard, { subscriptions })
    await slow.until(2)
    const all = 40
    for (let offset = 0; offset < all; offset += 1) {
      await shard.append([batch([big(offset, 60_000)])])
      await fast.until(offset + 1, 'greeting')
    }
    await expect(slow.rest()).rejects.toThrow('Reader too slow')
    expect(slow.frames.length).toBeLessThan(all)
    const again = await SseClient.open(shard, { subscriptions, lastEventId: slow.lastEventId })
    const seen = slow.frames.filter((frame) => frame.event === 'greeting')
    const rest = await again.until(all - seen.length, 'greeting')
    expect(idsOf([...seen, ...rest])).toEqual(Array.from({ length: all }, (_, n) => n))
    await Promise.all([fast.close(), again.close()])
  })

  it('of rigel.v1 gets no more than its window until it acknowledges, and then the rest', async () => {
    const shard = newShard()
    const client = await WsClient.open(shard, { subscriptions, protocol: 'rigel.v1' })
    for (let offset = 0; offset < 30; offset += 1) await shard.append([batch([big(offset, 60_000)])])
    const windowful = await client.untilType('greeting', 17)
    await evictDurableObject(shard, { webSockets: 'hibernate' })
    client.socket.send(JSON.stringify({ type: 'ack', id: windowful.at(-1)?.id }))
    expect(numbers(await client.untilType('greeting', 30))).toEqual(Array.from({ length: 30 }, (_, n) => n))
  })

  it('of rigel.v1 for whom too much waits is closed with a code that says to come back', async () => {
    const shard = newShard()
    const client = await WsClient.open(shard, { subscriptions, protocol: 'rigel.v1' })
    for (let offset = 0; offset < 60; offset += 1) await shard.append([batch([big(offset, 60_000)])])
    await client.until(({ closed }) => closed !== undefined)
    expect(client.closed?.code).toBe(4001)
    const lastEventId = client.ofType('greeting').at(-1)?.id ?? ''
    const again = await WsClient.open(shard, { subscriptions, protocol: 'rigel.v1', lastEventId })
    const first = await again.untilType('greeting', 1)
    expect(Number(first[0]?.event['id'])).toBe(client.ofType('greeting').length)
  })
})

describe('a connection ends', () => {
  it('when its token does, with the code that says not to come back', async () => {
    const shard = newShard()
    const expSeconds = Math.ceil(Date.now() / 1_000) + 60
    const principal = { user: 'alice', session: null, expSeconds }
    const ws = await WsClient.open(shard, { principal })
    const sse = await SseClient.open(shard, { principal })
    await runDurableObjectAlarm(shard)
    expect(ws.closed).toBeUndefined()
    vi.useFakeTimers({ toFake: ['Date'], now: expSeconds * 1_000 })
    await runDurableObjectAlarm(shard)
    vi.useRealTimers()
    await ws.until(({ closed }) => closed !== undefined)
    expect(ws.closed).toEqual({ code: 4500, reason: 'Token expired.' })
    const frames = await sse.rest()
    expect(frames.at(-1)).toMatchObject({
      event: 'rig.connection.close',
      data: { data: toClose({ kind: 'token_expired' }) },
    })
  })

  it('at once when the token has expired already', async () => {
    const principal = { user: 'alice', session: null, expSeconds: 1 }
    const ws = await WsClient.open(newShard(), { principal })
    await ws.until(({ closed }) => closed !== undefined)
    expect(ws.closed?.code).toBe(4500)
  })

  it('when a plain WebSocket sends anything, or a rigel.v1 one sends garbage', async () => {
    const shard = newShard()
    const plain = await WsClient.open(shard)
    const v1 = await WsClient.open(shard, { protocol: 'rigel.v1' })
    plain.socket.send('hello')
    v1.socket.send('{"type":"nonsense"}')
    await plain.until(({ closed }) => closed !== undefined)
    await v1.until(({ closed }) => closed !== undefined)
    expect([plain.closed?.code, v1.closed?.code]).toEqual([4504, 4504])
    expect(v1.closed?.reason).toBe('Not a frame of rigel.v1: type must be ack, subscribe, passed or token.')
  })
})

describe('a shard refuses', () => {
  it('what was not stamped by the Worker', async () => {
    const shard = newShard()
    const unstamped = await shard.fetch('https://shard/sse')
    const garbled = await shard.fetch(new Request('https://shard/sse', { headers: { 'rigel-connect': '%7B%7D' } }))
    expect([unstamped.status, garbled.status]).toEqual([403, 403])
  })

  it('subscriptions for a connection that is gone, and from another user than its own', async () => {
    const shard = newShard()
    const client = await SseClient.open(shard, { principal: asUser('alice') })
    const [created] = await client.until(1)
    const id =
      String((created?.data['data'] as Record<string, unknown> | undefined)?.['connection_token']).split('.')[1] ?? ''
    const foreign = await shard.setSubscriptions(id, subscriptions, asUser('mallory'))
    const gone = await shard.setSubscriptions('0'.repeat(32), subscriptions, asUser('alice'))
    expect([foreign, gone]).toMatchObject([
      { reason: { kind: 'foreign_connection' } },
      { reason: { kind: 'connection_gone' } },
    ])
    await client.close()
  })

  it('more connections than it may have in a minute', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_MINUTE: '100' }, async ({ clock, connect }) => {
      let users = 0
      // Each is another user's: one user would have to wait long before that.
      const open = async () => {
        const principal = { user: `user-${(users += 1)}`, session: null, expSeconds: null }
        const response = await connect({ principal })
        await response.body?.cancel()
        return response.status
      }
      const openAll = () => Promise.all(Array.from({ length: 100 }, open))
      expect(new Set(await openAll())).toEqual(new Set([200]))
      expect(await open()).toBe(429)
      clock.nowMs += 60_000
      expect(new Set(await openAll())).toEqual(new Set([200]))
      expect(await open()).toBe(429)
    })
  })
})

it('a shard that crashed still refuses the sessions that were revoked', async () => {
  const shard = newShard()
  // A row is written where there are connections of the session; elsewhere the session registry refuses after a crash.
  await WsClient.open(shard, { principal: { user: 'x', session: 'revoked', expSeconds: null } })
  await shard.answer({ kind: 'revoke_session', session: 'revoked', expiresMs: Date.now() + 60_000 }, [], 1)
  const again = await crash(shard)
  const client = await WsClient.open(again, { principal: { user: 'x', session: 'revoked', expSeconds: null } })
  await client.until(({ closed }) => closed !== undefined)
  expect(client.closed?.code).toBe(4501)
})

it('an idle shard is not woken: without connections and interests no alarm is left', async () => {
  const shard = newShard()
  await shard.append([batch([event(0, { recipients: ['alice'] })])])
  await runInDurableObject(shard, async (_instance, state) => expect(await state.storage.getAlarm()).toBeNull())
  expect(await runDurableObjectAlarm(shard)).toBe(false)
})

it('a stream whose log cannot be read fails, and takes no heartbeat from the others', async () => {
  await inComposedShard({ HEARTBEAT_SECONDS: '1' }, async (shard) => {
    const position = shard.log.position(0)
    await shard.log.append([batch([event(0)])])
    vi.spyOn(shard.log, 'read').mockImplementation(() => {
      throw new Error('the storage is gone')
    })
    const broken = await shard.connect({ subscriptions, lastEventId: position })
    await expect(broken.text()).rejects.toThrow('the storage is gone')
    expect(shard.connections.size).toBe(0)
  })
})
