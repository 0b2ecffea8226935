// Tables as clients of each transport get them: whole, then changes and removals, and after a reconnect only what has changed.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { RoutedEvent } from '../../../../src/core/events/stored-event.ts'
import { asUser, batch, event, newShard, SseClient } from '../../../support/shard-clients.ts'
import { TRANSPORT_HARNESSES, type Event, type TransportClient } from '../../../support/transport-clients.ts'

const principal = asUser('alice')
const STATE = { state: true } as const
const ofTenant = (tenant: string) => [{ eventType: 'row', oneOf: [{ tenant }], ...STATE }]
const all = [{ eventType: 'row', oneOf: [], ...STATE }]

function row(offset: number, key: string, tenant = 'a', more: Partial<RoutedEvent> = {}): RoutedEvent {
  const type = more.type ?? 'row'
  const data = { tenant, n: offset }
  const json = JSON.stringify({ specversion: '1.0', id: String(offset), source: '/test', type, subject: key, data })
  return event(offset, { type, utf8: new TextEncoder().encode(json), fields: { tenant }, row: [key, 0], ...more })
}

const gone = (offset: number, key: string) =>
  event(offset, { type: 'row', utf8: new Uint8Array(), recipients: [], row: [key, 1] })

const dataOf = (one: Event) => one['data'] as Record<string, unknown>
const keysOf = (events: readonly Event[]) => events.map((one) => one['subject'] ?? dataOf(one)['key'])
const idsOf = (events: readonly Event[]) => events.map(({ id }) => id)

async function complete(client: TransportClient, count = 1) {
  const events = await client.until('rig.table.complete', count)
  return dataOf(events.at(-1) ?? {})
}

describe.each(TRANSPORT_HARNESSES)('$name', ({ hasPositions, name, open }) => {
  it('gets the table that its filter passes, then changes and removals, and others’ rows never', async () => {
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions: all })
    expect(await complete(first)).toEqual({ type: 'row', rows: 0 })
    await shard.append([
      batch([row(0, 'x'), row(1, 'y', 'b'), row(2, 'x'), row(3, 'z', 'a', { recipients: ['bob'] }), row(4, 'w')]),
    ])
    const second = await open(shard, { principal, subscriptions: ofTenant('a') })
    expect(await complete(second)).toEqual({ type: 'row', rows: 2 })
    expect(keysOf(await second.until('row', 2))).toEqual(['w', 'x'])
    await shard.append([batch([row(5, 'x', 'b'), gone(6, 'w'), gone(7, 'y'), row(8, 'z', 'a'), row(9, 'z', 'b')])])
    expect(keysOf(await second.until('rig.table.removed', 3))).toEqual(['x', 'w', 'z'])
    expect(idsOf(await second.until('row', 3))).toEqual(['4', '2', '8'])
    // It sees every row: what is still there is no removal.
    expect(keysOf(await first.until('rig.table.removed', 2))).toEqual(['w', 'y'])
    expect(idsOf(await first.until('row', 7))).toEqual(['0', '1', '2', '4', '5', '8', '9'])
    await Promise.all([first.close(), second.close()])
  })

  it('gets after a reconnect only what has changed, and the whole table without its position', async () => {
    if (!hasPositions) return
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions: ofTenant('a') })
    await complete(first)
    await shard.append([batch([row(0, 'x'), row(1, 'y'), row(2, 'z')])])
    await first.until('row', 3)
    const lastEventId = first.position
    expect(lastEventId).toMatch(/![0-9a-f]{16}$/)
    await first.close()
    await shard.append([batch([row(3, 'x', 'b'), row(4, 'y')])])
    const again = await open(shard, { principal, subscriptions: ofTenant('a'), lastEventId })
    expect(keysOf(await again.until('rig.table.removed', 1))).toEqual(['x'])
    expect(idsOf(await again.until('row', 1))).toEqual(['4'])
    expect(await again.until('rig.table.reset', 0)).toEqual([])
    const anew = await open(shard, { principal, subscriptions: ofTenant('a') })
    expect(await complete(anew)).toEqual({ type: 'row', rows: 2 })
    const other = await open(shard, { principal, subscriptions: ofTenant('b'), lastEventId })
    expect(await complete(other)).toEqual({ type: 'row', rows: 1 })
    await Promise.all([again, anew, other].map((client) => client.close()))
  })

  it('gets what it missed before the table that has newer rows, when it comes back and then subscribes to more', async () => {
    if (!hasPositions || name === 'phoenix') return
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions: ofTenant('a') })
    await complete(first)
    const lastEventId = first.position
    await first.close()
    await shard.append([batch([row(0, 'x', 'b'), row(1, 'x', 'b', { recipients: ['alice'] })])])
    const again = await open(shard, { principal, subscriptions: ofTenant('a'), lastEventId })
    await again.until('row', 1)
    await again.subscribe({ eventType: 'row', oneOf: [], ...STATE })
    await complete(again)
    await shard.append([batch([row(2, 'y')])])
    expect(idsOf(await again.until('row', 4))).toEqual(['1', '0', '1', '2'])
    await again.close()
  })

  it('gets a table that it subscribes to later, and a large one in parts', async () => {
    const shard = newShard()
    const first = await open(shard, { principal, subscriptions: all })
    await complete(first)
    const rows = Array.from({ length: 600 }, (_, n) => row(n, `k${n}`, 'x'.repeat(900)))
    await shard.append([batch(rows)])
    const later = await open(shard, { principal })
    await later.subscribe({ eventType: 'row', oneOf: [], ...STATE })
    expect(await complete(later)).toEqual({ type: 'row', rows: 600 })
    await shard.append([batch([row(700, 'k1')])])
    const got = await later.until('row', 601)
    expect([new Set(keysOf(got)).size, got.length, got.at(-1)?.['id']]).toEqual([600, 601, '700'])
    await Promise.all([first.close(), later.close()])
  })

  it('gets the table again when the log could not store what a batch of changes replaces, also with a position from before', async () => {
    const shard = newShard()
    const client = await open(shard, { principal, subscriptions: ofTenant('a') })
    await complete(client)
    const fields = { tenant: 'a', text: 'x'.repeat(900_000) }
    const keys = ['x', 'y', 'z']
    await shard.append([batch(keys.map((key, n) => row(n, key, 'a', { fields })))])
    await client.until('row', 3)
    const lastEventId = client.position
    await shard.append([batch(keys.map((key, n) => row(n + 3, key, 'b')))])
    // The topic has none of these events: nothing is filled in.
    expect(await complete(client, 2)).toEqual({ type: 'row', rows: 0 })
    expect(await client.until('rig.table.removed', 0)).toEqual([])
    await client.close()
    if (!hasPositions) return
    const again = await open(shard, { principal, subscriptions: ofTenant('a'), lastEventId })
    expect(await complete(again)).toEqual({ type: 'row', rows: 0 })
    await again.close()
  })

  it('gets the table again from a shard that wakes after a deploy with another rule for it', async () => {
    // Other connections end with their shard's memory.
    if (!/^(ws|phoenix)/.test(name)) return
    const shard = newShard()
    const client = await open(shard, { principal, subscriptions: ofTenant('a') })
    await complete(client)
    await shard.append([batch([row(0, 'x')])])
    await client.until('row', 1)
    await runInDurableObject(shard, (_instance, { storage }) => {
      storage.sql.exec("UPDATE tables SET fill_id = 'of another rule'")
    })
    await evictDurableObject(shard, { webSockets: 'hibernate' })
    await shard.append([batch([event(1, { type: 'other' })])])
    // The topic has none of these events: nothing is filled in.
    expect(await complete(client, 2)).toEqual({ type: 'row', rows: 0 })
    await client.close()
  })

  it('is told when a table is too large, and goes on with events', async () => {
    const shard = newShard()
    const large = (offset: number) => row(offset, `k${offset}`, 'a', { type: 'large' })
    const client = await open(shard, { principal, subscriptions: [{ eventType: 'large', oneOf: [], ...STATE }] })
    await complete(client)
    await shard.append([batch([large(0), large(1), large(2)])])
    expect(dataOf((await client.until('rig.table.failed', 1))[0] ?? {})).toEqual({
      type: 'large',
      reason: 'too large: at most 2 rows and 67108864 bytes are kept in a shard (TABLES)',
    })
    await shard.append([batch([large(3)])])
    expect(idsOf(await client.until('large', 4))).toEqual(['0', '1', '2', '3'])
    await client.close()
  })

  it('sees only rows that the rules of the type allow its token', async () => {
    const shard = newShard()
    const grantOf = (tenant: string) => ({ hasToken: true, roles: [], scopes: [], claims: { '/tenant': tenant } })
    const subscriptions = [{ eventType: 'ruled.row', oneOf: [], ...STATE }]
    const ruled = (offset: number, key: string, tenant: string) => row(offset, key, tenant, { type: 'ruled.row' })
    const first = await open(shard, { principal, subscriptions, grant: grantOf('a') })
    await complete(first)
    await shard.append([batch([ruled(0, 'x', 'a'), ruled(1, 'y', 'b')])])
    await shard.append([batch([ruled(2, 'x', 'b'), ruled(3, 'y', 'c'), ruled(4, 'z', 'a')])])
    expect(idsOf(await first.until('ruled.row', 2))).toEqual(['0', '4'])
    expect(keysOf(await first.until('rig.table.removed', 1))).toEqual(['x'])
    const second = await open(shard, { principal, subscriptions, grant: grantOf('b') })
    expect(await complete(second)).toEqual({ type: 'ruled.row', rows: 1 })
    expect(keysOf(await second.until('ruled.row', 1))).toEqual(['x'])
    await Promise.all([first.close(), second.close()])
  })
})

describe.each(TRANSPORT_HARNESSES.filter(({ hasPositions }) => hasPositions))('$name, far behind', ({ open }) => {
  it('gets the table behind a long replay', async () => {
    const shard = newShard()
    const greeting = { eventType: 'greeting', oneOf: [] }
    const first = await open(shard, { principal, subscriptions: [greeting] })
    const lastEventId = first.position
    const json = JSON.stringify({
      specversion: '1.0',
      id: '1',
      source: '/t',
      type: 'greeting',
      data: 'x'.repeat(60_000),
    })
    const utf8 = new TextEncoder().encode(json)
    for (let offset = 0; offset < 12; offset += 1) await shard.append([batch([event(offset, { utf8 })])])
    await first.close()
    const second = await open(shard, {
      principal,
      subscriptions: [greeting, { eventType: 'row', oneOf: [], ...STATE }],
      lastEventId,
    })
    expect(await second.until('greeting', 12)).toHaveLength(12)
    expect(await complete(second)).toEqual({ type: 'row', rows: 0 })
    await second.close()
  })
})

describe('a subscription with state', () => {
  it('is refused for a type that is no table, for a pattern, and beside as_of', async () => {
    const shard = newShard()
    for (const eventType of ['greeting', '*', 'ruled.*']) {
      const refused = await shard.openLongpolling(principal, [{ eventType, oneOf: [], ...STATE }], null)
      expect(refused).toMatchObject({ ok: false, reason: { kind: 'invalid_subscriptions' } })
    }
    const refused = await shard.openLongpolling(principal, all, null, [], false, 'rig/0@1')
    expect(refused).toMatchObject({ ok: false, reason: { message: expect.stringContaining('as_of') as unknown } })
  })

  it('gets its table anew when a right is given or taken away', async () => {
    const shard = newShard()
    const client = await SseClient.open(shard, { principal, subscriptions: all })
    await client.until(1, 'rig.table.complete')
    await shard.append([batch([row(0, 'x'), row(1, 'y', 'b')])])
    const [created] = await client.until(1)
    const token = String(dataOf(created?.data ?? {})['connection_token'])
    const set = await shard.setSubscriptions(token.split('.')[1] ?? '', ofTenant('b'), principal)
    expect(set.ok).toBe(true)
    await client.until(2, 'rig.table.complete')
    const after = client.frames.slice(client.frames.findLastIndex((frame) => frame.event === 'rig.table.reset'))
    expect(after.map(({ data, event: type }) => [type, data['subject']])).toEqual([
      ['rig.table.reset', undefined],
      ['row', 'y'],
      ['rig.table.complete', undefined],
    ])
    await client.close()
  })

  it('gets another token’s table, whatever position it has', async () => {
    const shard = newShard()
    const grantOf = (tenant: string) => ({ hasToken: true, roles: [], scopes: [], claims: { '/tenant': tenant } })
    const subscriptions = [{ eventType: 'ruled.row', oneOf: [], ...STATE }]
    const ruled = (offset: number, tenant: string) => row(offset, tenant, tenant, { type: 'ruled.row' })
    const first = await SseClient.open(shard, { principal, subscriptions, grant: grantOf('a') })
    await first.until(1, 'rig.table.complete')
    await shard.append([batch([ruled(0, 'a'), ruled(1, 'b')])])
    await first.until(1, 'ruled.row')
    const { lastEventId } = first
    await first.close()
    const moved = await SseClient.open(shard, { principal, subscriptions, grant: grantOf('b'), lastEventId })
    await moved.until(1, 'rig.table.complete')
    // What it missed comes first, as an event.
    const after = moved.frames.slice(moved.frames.findIndex((frame) => frame.event === 'rig.table.reset'))
    expect(after.map(({ data, event: type }) => [type, data['subject']])).toEqual([
      ['rig.table.reset', undefined],
      ['ruled.row', 'b'],
      ['rig.table.complete', undefined],
    ])
    await moved.close()
  })

  it('gets the page that was lost once more, and then the next', async () => {
    const shard = newShard()
    const first = await SseClient.open(shard, { principal, subscriptions: all })
    await first.until(1, 'rig.table.complete')
    await shard.append([batch(Array.from({ length: 700 }, (_, n) => row(n, `k${n}`, 'x'.repeat(900))))])
    const session = await shard.openLongpolling(principal, all, null)
    if (!session.ok) throw new Error(session.reason.kind)
    const id = session.value.connectionToken.split('.')[1] ?? ''
    const types: string[] = []
    const keys: unknown[] = []
    let position: string | null = null
    while (!types.includes('rig.table.complete')) {
      const lost: Awaited<ReturnType<typeof shard.poll>> = await shard.poll(id, position)
      const answer: typeof lost = types.length < 3 ? lost : await shard.poll(id, position)
      if (!answer.ok || !lost.ok) throw new Error('refused')
      expect(answer.value.events).toEqual(lost.value.events)
      position = answer.value.lastEventId
      const events = answer.value.events.map((json) => JSON.parse(json) as Event)
      types.push(...events.map(({ type }) => String(type)))
      keys.push(...events.filter(({ type }) => type === 'row').map(({ subject }) => subject))
    }
    expect([keys.length, new Set(keys).size]).toEqual([700, 700])
    expect(types.filter((type) => type === 'rig.table.reset')).toHaveLength(1)
    await first.close()
  })

  it('gets what it missed before the table that has newer rows, also if it polls while it subscribes to more', async () => {
    const shard = newShard()
    const first = await SseClient.open(shard, { principal, subscriptions: ofTenant('a') })
    await first.until(1, 'rig.table.complete')
    await shard.append([batch([row(0, 'x', 'b'), row(1, 'x', 'b', { recipients: ['alice'] })])])
    const session = await shard.openLongpolling(principal, ofTenant('a'), first.lastEventId)
    if (!session.ok) throw new Error(session.reason.kind)
    const id = session.value.connectionToken.split('.')[1] ?? ''
    const events: Event[] = []
    let position: string | null = null
    const poll = async () => {
      const polled: Awaited<ReturnType<typeof shard.poll>> = await shard.poll(id, position)
      if (!polled.ok) throw new Error(polled.reason.kind)
      position = polled.value.lastEventId
      events.push(...polled.value.events.map((json) => JSON.parse(json) as Event))
    }
    await poll()
    const waiting = poll()
    // Calls arrive in order: when this one is answered, the poll waits.
    await shard.pageConnections({ user: 'alice' }, '', 1)
    await shard.setSubscriptions(id, all, principal)
    await waiting
    while (!events.some(({ type }) => type === 'rig.table.complete')) await poll()
    await poll()
    expect(idsOf(events.filter(({ type }) => type === 'row'))).toEqual(['1', '0', '1'])
    await first.close()
  })
})
