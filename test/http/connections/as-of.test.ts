// Joining at the offsets of a state, through the Worker, on each transport. What is exact in every schedule is tested against a
// model in test/objects/shard/subscriptions/as-of-joins.pure.test.ts.
import { evictDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import {
  connectSse,
  connectWs,
  fetchRigel,
  PollClient,
  publish,
  tokenFor,
  type Wanted,
} from '../../support/gateway-client.ts'
import { PhoenixClient, type Frame } from '../../support/phoenix-client.ts'
import { SseClient } from '../../support/shard-clients.ts'

interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

const PARTITIONS = 4

/** The state of a service that has applied everything, but of one partition only what is up to `place`. */
async function asOf(place?: Place): Promise<string> {
  const items: string[] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const { latest } = await env.EMBEDDED_LOG.getByName(`rig/${partition}`).offsets()
    items.push(`rig/${partition}@${partition === place?.partition ? place.offset : latest - 1}`)
  }
  return items.join(',')
}

let made = 0
/** A type of its own for each test, and a client that has joined before: the shard has the type from there on. */
async function newType() {
  made += 1
  const type = `as-of.${made}`
  const user = `as-of-${made}`
  // A partition that was never written is not followed yet.
  for (let key = 0; key < 16; key += 1) await publish({ type: 'as-of.first', partitionkey: `${made} ${key}` })
  const wanted = { user, subscriptions: [{ eventType: type }] }
  const other = await connectSse({ ...wanted, asOf: await asOf() })
  const add = (id: string, more: object = {}) => publish({ id, type, partitionkey: type, ...more })
  return { add, other, type, user, wanted }
}

interface Created {
  readonly connection_token: string
  readonly recovered?: boolean
  readonly last_event_id: string
}

interface Joined {
  readonly recovered?: boolean
  readonly reason?: string
}

const idsOf = ({ frames }: SseClient) => frames.map(({ data }) => data['id'])
const createdOf = ({ frames }: SseClient) => frames[0]?.data['data'] as Created

describe('a client with a state', () => {
  it('gets exactly the events beyond it by SSE, also those addressed to it, and none of others', async () => {
    const { add, other, type, user, wanted } = await newType()
    await add('1')
    const place = await add('2')
    await add('3')
    await add('4', { type: 'note', data: { recipients: [user] } })
    await add('5', { type: 'note', data: { recipients: ['another'] } })
    await other.until(2, type)
    const client = await connectSse({ ...wanted, asOf: await asOf(place) })
    await add('6')
    await client.until(2, type)
    expect(createdOf(client).recovered).toBe(true)
    expect(idsOf(client).slice(2)).toEqual(['3', '4', '6'])
    await client.close()
    await other.close()
  })

  it('gets them by WebSocket and long-polling', async () => {
    const { add, other, type, wanted } = await newType()
    const place = await add('1')
    await add('2')
    await other.until(1, type)
    const joining: Wanted = { ...wanted, asOf: await asOf(place) }
    const plain = await connectWs(joining)
    const framed = await connectWs(joining, 'rigel.v1')
    const polling = await PollClient.open(joining)
    await add('3')
    for (const client of [plain, framed])
      expect((await client.untilType(type, 2)).map(({ event }) => event['id'])).toEqual(['2', '3'])
    expect((await polling.untilType(type, 2)).map(({ id }) => id)).toEqual(['2', '3'])
    plain.socket.close()
    framed.socket.close()
    await other.close()
  })

  it('joins with subscriptions that it sends later, by PUT and in-band, while what it had goes on', async () => {
    const { add, other, type, user } = await newType()
    const place = await add('1')
    await add('2')
    await other.until(1, type)
    const subscriptions = [{ eventType: type }]
    const put = await connectSse({ user })
    const token = createdOf(put).connection_token
    const body = JSON.stringify({ subscriptions, as_of: await asOf(place) })
    const headers = { 'content-type': 'application/json' }
    const path = `/_rig/v1/connection/sse/${token}/subscriptions`
    expect((await fetchRigel(path, { method: 'PUT', headers, body })).status).toBe(204)
    const framed = await connectWs({ user, subscriptions: [{ eventType: 'as-of.other' }] }, 'rigel.v1')
    const all = [{ eventType: 'as-of.other' }, ...subscriptions]
    framed.socket.send(JSON.stringify({ type: 'subscribe', subscriptions: all, as_of: await asOf(place), ref: '1' }))
    await framed.untilType('rig.subscriptions_set', 2)
    await add('3', { type: 'as-of.other' })
    await add('4')
    await put.until(2, type)
    expect(put.frames.find(({ event, data }) => event === 'rig.subscriptions_set' && 'recovered' in data)?.data).toMatchObject({ recovered: true }) // prettier-ignore
    expect(idsOf(put).filter((id) => ['1', '2', '3', '4'].includes(String(id)))).toEqual(['2', '4'])
    await framed.untilType(type, 2)
    expect(framed.ofType('as-of.other').map(({ event }) => event['id'])).toEqual(['3'])
    expect(framed.ofType(type).map(({ event }) => event['id'])).toEqual(['2', '4'])
    framed.socket.close()
    await put.close()
    await other.close()
  })

  it('is told that events may be missing: of a type that the shard has later, of an offset that does not exist', async () => {
    const { add, other, user, wanted } = await newType()
    const place = await add('1', { type: 'as-of.unknown' })
    await add('2', { type: 'as-of.unknown' })
    const late = await connectSse({ user, subscriptions: [{ eventType: 'as-of.unknown' }], asOf: await asOf(place) })
    const future = await connectSse({ ...wanted, asOf: await asOf({ ...place, offset: 1_000_000 }) })
    const partial = await connectSse({ ...wanted, asOf: `rig/${place.partition}@${place.offset}` })
    for (const client of [late, future, partial]) {
      expect(createdOf(client).recovered).toBe(false)
      await client.close()
    }
    await other.close()
  })

  it('may send its state in several parameters, as a service sends it in several lines', async () => {
    const { add, other, type, wanted } = await newType()
    const place = await add('1')
    await add('2')
    await other.until(1, type)
    const state = (await asOf(place)).split(',')
    const query = new URLSearchParams({ subscriptions: JSON.stringify(wanted.subscriptions) })
    for (const one of state) query.append('as_of', one)
    query.set('jwt', await tokenFor(wanted.user))
    const client = new SseClient(await fetchRigel(`/_rig/v1/connection/sse?${query.toString()}`))
    await client.until(1, type)
    expect([createdOf(client).recovered, idsOf(client).at(-1)]).toEqual([true, '2'])
    const twice = await fetchRigel(`/_rig/v1/connection/sse?as_of=rig/0@1&as_of=rig/0@1`)
    expect([twice.status, await twice.text()]).toEqual([400, 'as_of names rig/0 twice'])
    for (const one of [client, other]) await one.close()
  })

  it('must name its state again while the stream has not passed it, and not later', async () => {
    const { add, other, type, wanted } = await newType()
    const place = await add('1')
    await other.until(1, type)
    const state = await asOf(place)
    const client = await connectSse({ ...wanted, asOf: state })
    const joining = `${createdOf(client).last_event_id.replace('*', '')}*`
    await client.close()
    const without = await connectSse({ ...wanted, lastEventId: joining })
    expect(createdOf(without).recovered).toBe(false)
    const again = await connectSse({ ...wanted, lastEventId: joining, asOf: state })
    expect(createdOf(again).recovered).toBe(true)
    // Of every partition something has to come.
    for (let key = 0; key < 16; key += 1) await add(`2-${key}`, { partitionkey: `${type} ${key}` })
    await again.until(16, type)
    await add('3')
    await again.until(17, type)
    const passed = again.lastEventId
    expect(passed).not.toContain('*')
    await again.close()
    await add('4')
    const back = await connectSse({ ...wanted, lastEventId: passed, asOf: state })
    await back.until(1, type)
    expect(idsOf(back).slice(2)).toEqual(['4'])
    for (const one of [without, back, other]) await one.close()
  })

  it('is refused if its state is no list of places, and in the URL of a Phoenix socket', async () => {
    const refused = await fetchRigel('/_rig/v1/connection/ndjson?as_of=orders')
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('orders/3@1042')])
    const channel = await fetchRigel('/_rig/v1/connection/phoenix/longpoll?as_of=rig/0@1')
    expect(await channel.json()).toMatchObject({ status: 403 })
  })

  it('joins each Phoenix channel at offsets, and must name them again while the log has not passed them', async () => {
    const { add, other, type, user } = await newType()
    const place = await add('1')
    await add('2')
    const own = await add('3', { type: 'note', data: { recipients: [user] } })
    await add('4', { type: 'note', data: { recipients: [user] } })
    await other.until(1, type)
    await other.until(2, 'note')
    const client = await PhoenixClient.open(await tokenFor(user))
    const join = async (topic: string, payload: object) =>
      ((await client.ask(topic, 'phx_join', payload)) as { readonly response: Joined }).response
    const received = (topic: string) =>
      client.frames.filter(([, , of, name]) => of === topic && name === 'message') as readonly Frame[]
    const events = `events:${type}`
    expect(await join(events, { as_of: await asOf(place) })).toMatchObject({ recovered: true })
    expect(await join(`user:${user}`, { as_of: await asOf(own) })).toMatchObject({ recovered: true })
    expect((await join('events:as-of.unheard', { as_of: `rig/0@1` })).recovered).toBe(false)
    expect((await join('events:as-of.x', { as_of: 'orders' })).reason).toContain('orders/3@1042')
    await other.close()
    // What the state has is stored with the socket's channels.
    await evictDurableObject(env.USER_SHARD.getByName(`shard-${shardOf(user, 3)}`))
    await add('5')
    await client.until(([, , topic, name]) => topic === events && name === 'message', 2)
    await client.untilEvent(`user:${user}`, 'message', 1)
    const ids = (topic: string) => received(topic).map(([, , , , payload]) => (payload as { id: string }).id)
    expect([ids(events), ids(`user:${user}`)]).toEqual([['2', '5'], ['4']])
    // The newest events of some partitions concern nobody: the shard's log has not passed the state there.
    const joining = received(events).at(-1)?.[1]
    expect(joining).toMatch(/\*$/)
    const again = await PhoenixClient.open(await tokenFor(user))
    expect(await again.ask(events, 'phx_join', { last_event_id: joining })).toMatchObject({ response: { recovered: false } }) // prettier-ignore
    expect(await again.ask(events, 'phx_join', { last_event_id: joining, as_of: await asOf(place) })).toMatchObject({ response: { recovered: true } }) // prettier-ignore
    for (const one of [client, again]) one.close()
  })

  it('reads where its event was stored, from an answer that pages may read', async () => {
    const response = await fetchRigel('/_rig/v1/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ specversion: '1.0', id: 'own', source: '/test', type: 'as-of.own' }),
    })
    const { offset, partition, topic } = await response.json<Place>()
    expect(response.headers.get('rigel-produced')).toBe(`${topic}/${partition}@${offset}`)
    expect(response.headers.get('access-control-expose-headers')).toContain('Rigel-Produced')
  })
})
