import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { expectLogs } from '../support/expect-logs.ts'
import { connectSse, connectWs, fetchRigel, PollClient, publish } from '../support/gateway-client.ts'

expectLogs(/records went to the dead-letter topic/)

const anyOf = (eventType: string) => [{ eventType, oneOf: [] }]
const sseIds = (frames: readonly { data: Record<string, unknown> }[]) => frames.map(({ data }) => data['id'])
const wsIds = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event }) => event['id'])
const pollIds = (events: readonly Record<string, unknown>[]) => events.map(({ id }) => id)

describe('an event', () => {
  it('addressed to a user reaches all connections of that user on all transports, and nobody else', async () => {
    const subscriptions = anyOf('private')
    const alice = [
      await connectSse({ user: 'alice', subscriptions }),
      await connectWs({ user: 'alice' }),
      await connectWs({ user: 'alice' }, 'rigel.v1'),
      await PollClient.open({ user: 'alice' }),
    ] as const
    const others = [
      await connectWs({ user: 'bob', subscriptions: [...subscriptions, ...anyOf('end')] }),
      await connectWs({ subscriptions: [...subscriptions, ...anyOf('end')] }),
    ]
    await publish({ id: 'p1', type: 'private', data: { recipients: ['alice'] } })
    expect(sseIds(await alice[0].until(1, 'private'))).toEqual(['p1'])
    expect(wsIds(await alice[1].untilType('private', 1))).toEqual(['p1'])
    expect(wsIds(await alice[2].untilType('private', 1))).toEqual(['p1'])
    expect(pollIds(await alice[3].untilType('private', 1))).toEqual(['p1'])
    // Same partition, so it comes after: whoever has it would have had the private one before.
    await publish({ id: 'e1', type: 'end', partitionkey: 'alice' })
    for (const other of others) {
      await other.untilType('end', 1)
      expect(other.ofType('private')).toEqual([])
    }
    await alice[0].close()
  })

  it('addressed to nobody reaches every subscriber on every shard, once, and nobody else', async () => {
    const users = Array.from({ length: 12 }, (_, n) => `user-${n}`)
    const clients = await Promise.all(users.map((user) => connectWs({ user, subscriptions: anyOf('news') })))
    const indifferent = await connectWs({ user: 'zoe', subscriptions: anyOf('end') })
    const poller = await PollClient.open({ subscriptions: anyOf('news') })
    for (let n = 0; n < 5; n += 1) await publish({ id: `n${n}`, type: 'news', partitionkey: 'k' })
    await publish({ id: 'end', type: 'end', partitionkey: 'k' })
    const expected = ['n0', 'n1', 'n2', 'n3', 'n4']
    for (const client of clients) expect(wsIds(await client.untilType('news', 5))).toEqual(expected)
    expect(pollIds(await poller.untilType('news', 5))).toEqual(expected)
    await indifferent.untilType('end', 1)
    expect(indifferent.ofType('news')).toEqual([])
  })

  it('passes only where its constraints hold: any of them, and all members of it', async () => {
    const oneOf = [{ hotel: 'Ritz', room: 7 }, { hotel: 'Savoy' }]
    const client = await connectWs({ subscriptions: [{ eventType: 'booking', oneOf }, ...anyOf('end')] })
    const bookings = [{ hotel: 'Ritz', room: 8 }, { hotel: 'Ritz', room: 7 }, { hotel: 'Savoy', room: 1 }, {}]
    for (const [n, data] of bookings.entries()) await publish({ id: `b${n}`, type: 'booking', data, partitionkey: 'k' })
    await publish({ type: 'end', partitionkey: 'k' })
    await client.untilType('end', 1)
    expect(wsIds(client.ofType('booking'))).toEqual(['b1', 'b2'])
  })
})

it('1,000 events over 4 partitions and 3 shards: each connection sees each of its events once, in order per partition', async () => {
  const users = Array.from({ length: 9 }, (_, n) => `reader-${n}`)
  const sse = await Promise.all(users.map((user) => connectSse({ user, subscriptions: anyOf('bulk') })))
  const ws = await Promise.all(users.map((user) => connectWs({ user, subscriptions: anyOf('bulk') }, 'rigel.v1')))
  const expectedOf = new Map<string, string[]>(users.map((user) => [user, []]))
  const events = Array.from({ length: 1_000 }, (_, n) => {
    const addressed = n % 5 === 0 ? users[(n / 5) % users.length] : undefined
    for (const user of addressed === undefined ? users : [addressed]) expectedOf.get(user)?.push(`bulk-${n}`)
    const data = { n, partition: n % 4, ...(addressed === undefined ? {} : { recipients: [addressed] }) }
    return { specversion: '1.0', id: `bulk-${n}`, source: '/t', type: 'bulk', partitionkey: `key-${n % 16}`, data }
  })
  for (let at = 0; at < events.length; at += 100) {
    const response = await fetchRigel('/_rig/v1/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events.slice(at, at + 100)),
    })
    expect(response.status).toBe(202)
  }
  const partitionKey = new Map(events.map(({ id, partitionkey }) => [id, partitionkey]))
  for (const [index, user] of users.entries()) {
    const expected = expectedOf.get(user) ?? []
    const seen = [
      sseIds((await sse[index]?.until(expected.length, 'bulk')) ?? []),
      wsIds((await ws[index]?.untilType('bulk', expected.length)) ?? []),
    ]
    for (const ids of seen) {
      expect(new Set(ids)).toEqual(new Set(expected))
      expect(ids.length).toBe(expected.length)
      const inOrder = (list: readonly unknown[]) => Map.groupBy(list, (id) => partitionKey.get(String(id)))
      expect(inOrder(ids)).toEqual(inOrder(expected))
    }
  }
  await Promise.all(sse.map((client) => client.close()))
})

it('a client gets the first event produced after its subscription is confirmed, 100 times out of 100', async () => {
  for (let n = 0; n < 100; n += 1) {
    const type = `fresh-${n}`
    const client = await connectWs({ subscriptions: anyOf(type) })
    await publish({ id: `f${n}`, type })
    expect(wsIds(await client.untilType(type, 1))).toEqual([`f${n}`])
    client.socket.close(1000)
  }
})

it('a client that changes its subscriptions by PUT gets what is produced after they are set', async () => {
  const client = await connectSse({})
  const token = String((client.frames[0]?.data['data'] as Record<string, unknown> | undefined)?.['connection_token'])
  const put = await fetchRigel(`/_rig/v1/connection/sse/${token}/subscriptions`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ subscriptions: anyOf('later') }),
  })
  expect(put.status).toBe(204)
  await publish({ id: 'l1', type: 'later' })
  expect(sseIds(await client.until(1, 'later'))).toEqual(['l1'])
  expect(client.frames.map(({ event }) => event)).toEqual([
    'rig.connection.create',
    'rig.subscriptions_set',
    'rig.subscriptions_set',
    'later',
  ])
  await client.close()
})

it('a record that is no event goes to the dead-letter topic with its reason, and does not block the partition', async () => {
  const client = await connectWs({ subscriptions: anyOf('after') })
  const log = env.EMBEDDED_LOG.getByName('rig/2')
  const value = (text: string) => ({ timestampMs: 1, key: null, headers: [], value: new TextEncoder().encode(text) })
  const good = JSON.stringify({ specversion: '1.0', id: 'good', source: '/t', type: 'after' })
  await log.append([value('garbage'), value('{"specversion":"9"}'), value(good)])
  expect(wsIds(await client.untilType('after', 1))).toEqual(['good'])
  const auth = { authorization: `Basic ${btoa('rigel:test')}` }
  const dead: Record<string, unknown>[] = []
  for (let partition = 0; partition < 4; partition += 1) {
    const response = await fetchRigel('/_rig/kafka/fetch', {
      method: 'POST',
      headers: auth,
      body: JSON.stringify({ topic: 'rig-dead-letter', partition, offset: 0, timeout: 0 }),
    })
    expect(response.status).toBe(200)
    dead.push(...(await response.json<Record<string, unknown>[]>()))
  }
  expect(new Set(dead.map((record) => record['value']))).toEqual(new Set(['garbage', '{"specversion":"9"}']))
  expect(dead.length).toBe(2)
  expect(dead.every((record) => JSON.stringify(record['headers']).includes('rigel-reason'))).toBe(true)
})

it('a subscription to a pattern of types gets every type below it, from its confirmation on, and nothing else', async () => {
  const below = await connectWs({ subscriptions: anyOf('shop.order.*') })
  const all = await connectWs({ subscriptions: anyOf('shop.*') })
  const types = [
    'shop.order.paid',
    'shop.order.item.packed',
    'shop.orders',
    'shop.closed',
    'shopping',
    'shop.order.end',
  ]
  for (const type of types) await publish({ id: type, type, partitionkey: 'shop' })
  const seen = (client: typeof all) => client.events.map(({ event }) => String(event['type'])).filter(isOfShop)
  await below.untilType('shop.order.end', 1)
  await all.untilType('shop.order.end', 1)
  expect(seen(below)).toEqual(['shop.order.paid', 'shop.order.item.packed', 'shop.order.end'])
  expect(seen(all)).toEqual(types.filter((type) => type !== 'shopping'))
})

const isOfShop = (type: string) => type.startsWith('shop')
