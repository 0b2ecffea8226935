// The contract of a transport, run over each of them: connect, greet, deliver, resume, subscribe late, read slowly, and end.
// docs/adding-a-transport.md says how a new one joins.
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { configOf } from '../../../../src/config/parse-config.ts'
import { asUser, batch, event, newShard } from '../../../support/shard-clients.ts'
import { TRANSPORT_HARNESSES, type Event } from '../../../support/transport-clients.ts'

const greeting = { eventType: 'greeting', oneOf: [] }
const farewell = { eventType: 'farewell', oneOf: [] }
const principal = asUser('alice')
const subscriptions = [greeting]
const idsOf = (events: readonly Event[]) => events.map(({ id }) => Number(id))
const large = (offset: number) => {
  const json = JSON.stringify({
    specversion: '1.0',
    id: String(offset),
    source: '/t',
    type: 'greeting',
    data: 'x'.repeat(60_000),
  })
  return event(offset, { utf8: new TextEncoder().encode(json) })
}

afterEach(() => void vi.useRealTimers())

describe.each(TRANSPORT_HARNESSES)('$name', ({ hasPositions, open }) => {
  it('tells a client its position when it connects', async () => {
    const client = await open(newShard(), { principal, subscriptions })
    expect(client.position).toMatch(/^\d+\.[0-9a-f]+-\d+\.[0-9a-f]{16}$/)
    await client.close()
  })

  it('delivers what is subscribed to and what is addressed to the user, once and in order, and nothing else', async () => {
    const shard = newShard()
    const client = await open(shard, { principal, subscriptions })
    const addressed = (offset: number, user: string) => event(offset, { recipients: [user] })
    await shard.append([batch([event(0), addressed(1, 'bob'), addressed(2, 'alice'), event(3, { type: 'other' })])])
    await shard.append([batch([event(4)])])
    expect(idsOf(await client.until('greeting', 3))).toEqual([0, 2, 4])
    await client.close()
  })

  it('resumes from a position with what was missed, without a gap and without a repetition', async () => {
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions })
    const start = first.position
    await shard.append([batch([event(0)])])
    await first.until('greeting', 1)
    const lastEventId = hasPositions ? first.position : start
    await first.close()
    await shard.append([batch([event(1), event(2, { recipients: ['alice'] })])])
    const second = await open(shard, { principal, subscriptions, lastEventId })
    await shard.append([batch([event(3)])])
    const expected = hasPositions ? [1, 2, 3] : [0, 1, 2, 3]
    // Phoenix replays channel by channel: between channels there is no order.
    expect(idsOf(await second.until('greeting', expected.length)).toSorted((a, b) => a - b)).toEqual(expected)
    await second.close()
  })

  it('begins with what was stored from a time on, or with everything that is stored', async () => {
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions })
    await shard.append([batch([event(0)])])
    const sinceMs = Date.now() + 60_000
    vi.useFakeTimers({ toFake: ['Date'], now: sinceMs })
    await shard.append([batch([event(1, { type: 'other' }), event(2), event(3, { recipients: ['bob'] })])])
    const later = await open(shard, { principal, subscriptions, sinceMs })
    const all = await open(shard, { principal, subscriptions, sinceMs: 0 })
    await shard.append([batch([event(4, { recipients: ['alice'] }), event(5)])])
    // Phoenix replays channel by channel.
    const sorted = (events: readonly Event[]) => idsOf(events).toSorted((a, b) => a - b)
    expect(sorted(await later.until('greeting', 3))).toEqual([2, 4, 5])
    expect(sorted(await all.until('greeting', 4))).toEqual([0, 2, 4, 5])
    await Promise.all([first, later, all].map((client) => client.close()))
  })

  it('gets what the rules of a type allow its token, live and replayed, whatever it subscribes to', async () => {
    const shard = newShard()
    const grant = { hasToken: true, roles: ['user'], scopes: [], claims: { '/tenant': 'a' } }
    const wanted = { principal, subscriptions: [{ eventType: '*', oneOf: [] }], grant }
    const client = await open(shard, wanted)
    const start = client.position
    const ruled = (offset: number, type: string, tenant = 'a') => event(offset, { type, fields: { tenant } })
    await shard.append([
      batch([event(0), ruled(1, 'ruled.role'), ruled(2, 'ruled.tenant'), ruled(3, 'ruled.tenant', 'b')]),
      batch([event(4, { type: 'ruled.role', recipients: ['alice'] }), event(5)]),
    ])
    const again = await open(shard, { ...wanted, lastEventId: start })
    for (const one of [client, again]) {
      expect(idsOf(await one.until('greeting', 2))).toEqual([0, 5])
      expect(idsOf(await one.until('ruled.tenant', 1))).toEqual([2])
      expect(await one.until('ruled.role', 0)).toEqual([])
      await one.close()
    }
  })

  it('resumes where its type forbids history: from a position that it was given, and no further back', async () => {
    const shard = newShard()
    const past = (offset: number) => event(offset, { type: 'ruled.past' })
    const wanted = { principal, subscriptions: [{ eventType: 'ruled.past', oneOf: [] }, greeting] }
    const other = await open(shard, wanted)
    const [placeOfOther = ''] = /^[^-]+-\d+/.exec(other.position) ?? []
    await shard.append([batch([past(0), event(1)])])
    await other.until('greeting', 1)
    const first = await open(shard, wanted)
    const given = first.position
    await first.close()
    await shard.append([batch([past(2), event(3)])])
    const made = given.replace(/^[^-]+-\d+/, placeOfOther)
    const honest = await open(shard, { ...wanted, lastEventId: given })
    const guessed = await open(shard, { ...wanted, lastEventId: made })
    const bare = await open(shard, { ...wanted, lastEventId: placeOfOther })
    expect([honest.recovered, guessed.recovered, bare.recovered]).toEqual([true, false, false])
    const laundered = guessed.position
    await shard.append([batch([past(4), event(5)])])
    expect(idsOf(await honest.until('ruled.past', 2))).toEqual([2, 4])
    for (const one of [guessed, bare]) {
      expect(idsOf(await one.until('ruled.past', 1))).toEqual([4])
      // What is not restricted is replayed from any position.
      expect(idsOf(await one.until('greeting', 3))).toEqual([1, 3, 5])
    }
    const again = await open(shard, { ...wanted, lastEventId: hasPositions ? laundered : given })
    expect(idsOf(await again.until('ruled.past', hasPositions ? 1 : 2))).toEqual(hasPositions ? [4] : [2, 4])
    await Promise.all([honest, guessed, bare, again, other].map((client) => client.close()))
  })

  it('gets nothing that is older than its type may become', async () => {
    const shard = newShard()
    const ruled = [{ eventType: 'ruled.short', oneOf: [] }]
    const first = await open(shard, { principal, subscriptions: ruled })
    await shard.append([batch([event(0, { type: 'ruled.short' })])])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 })
    await shard.append([batch([event(1, { type: 'ruled.short' })])])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    const all = await open(shard, { principal, subscriptions: ruled, sinceMs: 0 })
    await shard.append([batch([event(2, { type: 'ruled.short' })])])
    expect(idsOf(await all.until('ruled.short', 2))).toEqual([1, 2])
    await Promise.all([first, all].map((client) => client.close()))
  })

  it('takes a subscription on an open connection', async () => {
    const shard = newShard()
    const client = await open(shard, { principal })
    await shard.append([batch([event(0, { type: 'farewell' })])])
    await client.subscribe(farewell)
    await shard.append([batch([event(1, { type: 'farewell' })])])
    expect(idsOf(await client.until('farewell', 1))).toEqual([1])
    await client.close()
  })

  it('comes back, is sent something, drops, and only then subscribes: nothing is lost', async () => {
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions })
    const start = first.position
    await shard.append([batch([event(0)])])
    await first.until('greeting', 1)
    let lastEventId = hasPositions ? first.position : start
    await first.close()
    await shard.append([batch([event(1)])])
    for (const offset of [2, 3]) {
      const back = await open(shard, { principal, lastEventId })
      // What is addressed to the user comes without a subscription, and moves the position past the event that was missed.
      await shard.append([batch([event(offset, { type: 'mail', recipients: ['alice'] })])])
      await back.until('mail', hasPositions ? 1 : offset - 1)
      lastEventId = hasPositions ? back.position : start
      await back.close()
    }
    const last = await open(shard, { principal, lastEventId })
    await last.subscribe(greeting)
    await shard.append([batch([event(4)])])
    const expected = hasPositions ? [1, 4] : [0, 1, 4]
    expect(idsOf(await last.until('greeting', expected.length))).toEqual(expected)
    await last.close()
  })

  // Plain frames have positions only with WEBSOCKET_HEARTBEAT_SECONDS: positions.test.ts.
  it.skipIf(!hasPositions)(
    'is quiet for longer than the log keeps events, and then resumes without a gap',
    async () => {
      const shard = newShard()
      const client = await open(shard, { principal, subscriptions })
      const start = client.position
      const startMs = Date.now()
      const { retentionMs } = configOf(env).log
      for (let part = 1; part <= 3; part += 1) {
        await shard.append([batch([event(part, { recipients: ['bob'] })])])
        vi.useFakeTimers({ toFake: ['Date'], now: startMs + (part * retentionMs) / 2 })
        const told = await client.listen()
        await runDurableObjectAlarm(shard)
        await told()
      }
      const { position } = client
      await client.close()
      await shard.append([batch([event(4)])])
      const late = await open(shard, { principal, subscriptions, lastEventId: start })
      const again = await open(shard, { principal, subscriptions, lastEventId: position })
      expect([late.recovered, again.recovered]).toEqual([false, true])
      expect(idsOf(await again.until('greeting', 1))).toEqual([4])
      await Promise.all([late.close(), again.close()])
    },
  )

  it('loses nothing for a reader that is slow or is cut, and others go on', async () => {
    const shard = newShard()
    const slow = await open(shard, { principal, subscriptions })
    const fast = await open(shard, { principal, subscriptions })
    const count = 40
    const start = slow.position
    for (let offset = 0; offset < count; offset += 1) {
      await shard.append([batch([large(offset)])])
      // rigel.v1 without acknowledgements is held at its window.
      if (offset < 10) await fast.until('greeting', offset + 1)
    }
    const seen = idsOf(await slow.until('greeting', count).catch(() => []))
    const lastEventId = hasPositions && seen.length > 0 ? slow.position : start
    if (seen.length < count) {
      const again = await open(shard, { principal, subscriptions, lastEventId })
      seen.push(...idsOf(await again.until('greeting', count - seen.length)))
      await again.close()
    }
    expect([...new Set(seen)]).toEqual(Array.from({ length: count }, (_, index) => index))
    await Promise.all([slow.close(), fast.close()].map((closing) => closing.catch(() => undefined)))
  })

  it('ends when its session is revoked, with a code that says not to come back', async () => {
    const shard = newShard()
    const client = await open(shard, { principal: { ...principal, session: 's1' } })
    const ended = client.ended()
    await shard.answer({ kind: 'revoke_session', session: 's1', expiresMs: Date.now() + 60_000 }, [], 1)
    expect(await ended).toBe(4501)
  })

  it('ends when its token expires', async () => {
    const shard = newShard()
    const expSeconds = Math.ceil(Date.now() / 1_000) + 60
    const client = await open(shard, { principal: { ...principal, expSeconds } })
    const ended = client.ended()
    // Calls arrive in order: when this one is answered, a poll waits.
    await shard.pageConnections({ user: 'alice' }, '', 1)
    vi.useFakeTimers({ toFake: ['Date'], now: expSeconds * 1_000 })
    await runDurableObjectAlarm(shard)
    expect(await ended).toBe(4500)
  })

  it('ends when an operator closes it', async () => {
    const shard = newShard()
    const client = await open(shard, { principal })
    const ended = client.ended()
    await shard.answer({ kind: 'close_connections', query: { user: 'alice' } }, [], 1)
    expect(await ended).toBe(4507)
    expect((await shard.pageConnections({ user: 'alice' }, '', 10)).items).toEqual([])
    await runDurableObjectAlarm(shard)
  })
})
