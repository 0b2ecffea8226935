// What a client gets that may subscribe to a type (`ruled.past` of TYPES in vitest.config.ts) and may not read its history, by
// whatever it says to come from. That each transport resumes by positions that it was given is a part of the contract suite.
import { env } from 'cloudflare:workers'
import { afterEach, expect, it, vi } from 'vitest'
import { connectSse, connectWs, fetchRigel, PollClient, publish } from '../../support/gateway-client.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'
import type { SseClient } from '../../support/shard-clients.ts'

const TYPE = 'ruled.past'
const FREE = 'ruled.free'
const PARTITIONS = 4
const subscriptions = [{ eventType: TYPE }]

afterEach(() => void vi.useRealTimers())

/** The state of a service that has applied everything. */
async function stateNow(): Promise<string> {
  const items: string[] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const { latest } = await env.EMBEDDED_LOG.getByName(`rig/${partition}`).offsets()
    items.push(`rig/${partition}@${latest - 1}`)
  }
  return items.join(',')
}

let made = 0
/** A user, and a client of it that is told of everything: its shard has the types from there on. */
async function newUser() {
  made += 1
  const user = `bounded-${made}`
  for (let key = 0; key < 16; key += 1) await publish({ type: FREE, partitionkey: `${made} ${key}` })
  const other = await connectSse({
    user,
    subscriptions: [...subscriptions, { eventType: FREE }],
    asOf: await stateNow(),
  })
  const add = async (id: string, type = TYPE) => {
    await publish({ id, type, partitionkey: type })
    await other.read(() => other.frames.some(({ data }) => data['id'] === id))
  }
  return { add, other, user }
}

const createdOf = ({ frames }: SseClient) =>
  frames[0]?.data['data'] as {
    readonly connection_token: string
    readonly recovered?: boolean
    readonly last_event_id: string
  }
const idsOf = (events: readonly Record<string, unknown>[]) =>
  events.flatMap(({ id, source }) => (source === '/test' ? [id] : []))
const idsOfSse = ({ frames }: SseClient) => idsOf(frames.map(({ data }) => data))
const minutesLater = (minutes: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 })

it('gets nothing by a position of rigel.v1 or of a channel that names an earlier sequence number', async () => {
  const { add, other, user } = await newUser()
  await add('c1')
  const early = createdOf(other).last_event_id.replace(/-\d+/, '-0')
  const framed = await connectWs({ user, subscriptions, lastEventId: early }, 'rigel.v1')
  const phoenix = await PhoenixClient.open(await tokenOf(user))
  const joined = await phoenix.ask(`events:${TYPE}`, 'phx_join', { name: 'type', last_event_id: early })
  expect(joined).toMatchObject({ status: 'ok', response: { recovered: false } })
  await add('c2')
  await framed.untilType(TYPE, 1)
  expect(framed.ofType(TYPE).map(({ event }) => event['id'])).toEqual(['c2'])
  const [frame] = await phoenix.untilEvent(`events:${TYPE}`, TYPE)
  expect(frame?.[4]).toMatchObject({ id: 'c2' })
  framed.socket.close()
  phoenix.close()
  await other.close()
})

it('polls from its session on, whatever position it polls from', async () => {
  const { add, other, user } = await newUser()
  await add('l1')
  const client = await PollClient.open({ user, subscriptions })
  await add('l2')
  await client.untilType(TYPE, 1)
  expect(idsOf(client.events)).toEqual(['l2'])
  await other.close()
})

it('gets no more by the position of a page of history that it may read of another type', async () => {
  const { add, other, user } = await newUser()
  await add('h1', FREE)
  await add('h2')
  const headers = { authorization: `Bearer ${await tokenOf(user)}` }
  const response = await fetchRigel(`/_rig/v1/history?types=${FREE}&limit=1`, { headers })
  const page = await response.json<{ last_event_id: string }>()
  const both = await connectSse({
    user,
    subscriptions: [...subscriptions, { eventType: FREE }],
    lastEventId: page.last_event_id,
  })
  const since = await connectSse({
    user,
    subscriptions: [...subscriptions, { eventType: FREE }],
    since: '2020-01-01T00:00:00Z',
  })
  await since.read(() => idsOfSse(since).includes('h1'))
  // The position of an event that it read as history proves that it was there from then on only.
  const again = await connectSse({
    user,
    subscriptions: [...subscriptions, { eventType: FREE }],
    lastEventId: createdOf(since).last_event_id,
  })
  await add('h3')
  for (const one of [both, since, again]) {
    await one.until(1, TYPE)
    expect(idsOfSse(one).filter((id) => id === 'h1' || id === 'h2' || id === 'h3')).toEqual(['h1', 'h3'])
    await one.close()
  }
  expect([createdOf(both).recovered, createdOf(again).recovered]).toEqual([false, true])
  await other.close()
})

/** By PUT. */
async function joinLater(user: string, state: string) {
  const client = await connectSse({ user })
  const path = `/_rig/v1/connection/sse/${createdOf(client).connection_token}/subscriptions`
  const body = JSON.stringify({ subscriptions, as_of: state })
  const headers = { 'content-type': 'application/json' }
  expect((await fetchRigel(path, { method: 'PUT', headers, body })).status).toBe(204)
  const isSet = ({ event, data }: SseClient['frames'][number]) =>
    event === 'rig.subscriptions_set' && 'recovered' in data
  await client.read(() => client.frames.some(isSet))
  return { client, recovered: client.frames.find(isSet)?.data['recovered'] }
}

// The last: time would go back after it.
it('joins at the offsets of a state of up to five minutes ago', async () => {
  const { add, other, user } = await newUser()
  const state = await stateNow()
  await add('s1')
  minutesLater(4)
  const recent = await connectSse({ user, subscriptions, asOf: state })
  const recentPut = await joinLater(user, state)
  minutesLater(2)
  const old = await connectSse({ user, subscriptions, asOf: state })
  const oldPut = await joinLater(user, state)
  await add('s2')
  const [recents, olds] = [
    [recent, recentPut.client],
    [old, oldPut.client],
  ]
  for (const one of recents) await one.until(2, TYPE)
  for (const one of olds) await one.until(1, TYPE)
  expect([createdOf(recent).recovered, createdOf(old).recovered]).toEqual([true, false])
  expect([recentPut.recovered, oldPut.recovered]).toEqual([true, false])
  for (const one of recents) expect(idsOfSse(one)).toEqual(['s1', 's2'])
  for (const one of olds) expect(idsOfSse(one)).toEqual(['s2'])
  for (const one of [...recents, ...olds, other]) await one.close()
})
