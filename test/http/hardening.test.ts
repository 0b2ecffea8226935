// What a hostile client can do through the Worker: nothing to others, and nothing that costs much.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { handle } from '../../src/http/app.ts'
import { connectSse, connectWs, fetchRigel, publish } from '../support/gateway-client.ts'
import { tokenOf } from '../support/make-tokens.ts'

const SSE = '/_rig/v1/connection/sse'

it('10,000 connections from one address: as many as the limit are opened, all others are told 429', async () => {
  const LIMIT = 3
  const counts = new Map<string, number>()
  const limiter = {
    limit: async ({ key }: { key: string }) => {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      return { success: (counts.get(key) ?? 0) <= LIMIT }
    },
  }
  const limited = { ...env, CONNECTION_RATE_LIMIT: limiter } as Env
  const statuses = new Map<number, number>()
  for (let n = 0; n < 10_000; n += 1) {
    const request = new Request(`https://rigel.test${SSE}`, { headers: { 'cf-connecting-ip': '203.0.113.7' } })
    const response = await handle(request, limited, createExecutionContext())
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    await response.body?.cancel()
  }
  expect(Object.fromEntries(statuses)).toEqual({ 200: LIMIT, 429: 10_000 - LIMIT })
})

it('subscription bombs are refused by their number, their size and their depth', async () => {
  const { token } = await openSse()
  const put = (body: string) =>
    fetchRigel(`${SSE}/${token}/subscriptions`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body,
    })
  const many = Array.from({ length: 10_000 }, (_, n) => ({ eventType: `bomb.${n}` }))
  const deep = `{"subscriptions":[{"eventType":"greeting","oneOf":[{"name":${'['.repeat(10_000)}${']'.repeat(10_000)}}]}]}`
  const large = JSON.stringify({ subscriptions: [{ eventType: 'x'.repeat(3_000_000) }] })
  for (const body of [JSON.stringify({ subscriptions: many }), deep, large]) expect((await put(body)).status).toBe(400)
})

it('the position and the connection token of another user give nothing of that user', async () => {
  const [alice, mallory] = [crypto.randomUUID(), crypto.randomUUID()]
  const victim = await connectSse({ user: alice })
  const created = await victim.until(1, 'rig.connection.create')
  const { connection_token: token = '' } = (created[0]?.data['data'] ?? {}) as { readonly connection_token?: string }
  const before = created[0]?.id ?? ''
  await publish({ id: 'secret', type: 'mail', data: { recipients: [alice] } })
  await victim.until(1, 'mail')
  const thief = await connectSse({ user: mallory, lastEventId: before, subscriptions: [{ eventType: 'mail' }] })
  await publish({ id: 'own', type: 'mail', data: { recipients: [mallory] } })
  const stolen = await thief.until(1, 'mail')
  expect(stolen.map(({ data }) => data['id'])).toEqual(['own'])
  const response = await fetchRigel(`${SSE}/${token}/subscriptions`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await tokenOf(mallory)}` },
    body: JSON.stringify({ subscriptions: [{ eventType: 'mail' }] }),
  })
  expect(response.status).toBe(403)
  expect(victim.frames.filter(({ data }) => data['type'] === 'rig.subscriptions_set')).toHaveLength(1)
})

it('events with types and values that are bombs are delivered like others', async () => {
  const client = await connectWs({
    subscriptions: [
      { eventType: '*', oneOf: [] },
      { eventType: 'greeting', oneOf: [{ name: { prefix: 'a' } }, { name: { gte: 'a' } }] },
    ],
  })
  await publish({ id: 'dots', type: '.'.repeat(50_000) })
  await publish({ id: 'text', type: 'greeting', data: { name: 'a'.repeat(100_000) } })
  const idsOf = (of: typeof client) => of.events.map(({ event }) => event['id'])
  await client.until((of) => idsOf(of).includes('dots') && idsOf(of).includes('text'))
  expect(idsOf(client).filter((id) => id === 'dots' || id === 'text')).toHaveLength(2)
})

it('type-confused data crashes nobody and matches nothing', async () => {
  const client = await connectWs({ subscriptions: [{ eventType: 'greeting', oneOf: [{ name: 'alice' }] }] })
  const confused = ['hello', 7, null, ['alice'], { name: { first: 'alice' } }, { name: [['alice']] }, {}]
  for (const [n, data] of confused.entries()) {
    await publish({ id: `confused-${n}`, type: 'greeting', data, partitionkey: 'k' })
  }
  await publish({ id: 'right', type: 'greeting', data: { name: 'alice' }, partitionkey: 'k' })
  const [first] = await client.untilType('greeting', 1)
  expect(first?.event['id']).toBe('right')
})

it('a subscriber is not shown the credentials of a request that became an event', async () => {
  const client = await connectWs({ subscriptions: [{ eventType: 'request.event' }] })
  const headers = [
    ['authorization', 'Bearer secret'],
    ['cookie', 'session=secret'],
    ['accept', '*/*'],
  ]
  await publish({ id: 'request', type: 'request.event', rig: { headers, correlation: 'secret', method: 'GET' } })
  const [seen] = await client.untilType('request.event', 1)
  expect(seen?.event['rig']).toEqual({ headers: [['accept', '*/*']], method: 'GET' })
})

it("another user's connection token and position give nothing of that user", async () => {
  const { token, client: alice } = await openSse('alice')
  await publish({ id: 'secret', type: 'note', data: { recipients: ['alice'] } })
  const [secret] = await alice.until(1, 'note')
  const mallory = await tokenOf('mallory')
  const put = await fetchRigel(`${SSE}/${token}/subscriptions`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${mallory}` },
    body: '{"subscriptions":[]}',
  })
  expect(put.status).toBe(403)
  const spy = await connectWs({
    user: 'mallory',
    lastEventId: secret?.id ?? '',
    subscriptions: [{ eventType: 'note' }],
  })
  await publish({ id: 'open', type: 'note' })
  await spy.untilType('note', 1)
  expect(spy.ofType('note').map(({ event }) => event['id'])).toEqual(['open'])
  await alice.close()
})

async function openSse(user?: string) {
  const client = await connectSse(user === undefined ? {} : { user })
  const { connection_token: token = '' } = (client.frames[0]?.data['data'] ?? {}) as { connection_token?: string }
  return { client, token }
}

it('a Host that is none is a bad request, not an error of ours', async () => {
  const request = new Proxy(new Request('https://rigel.test/'), {
    get: (target, name) => (name === 'url' ? 'http://a.test, b.test/x' : Reflect.get(target, name, target)),
  })
  expect((await handle(request, env, createExecutionContext())).status).toBe(400)
})
