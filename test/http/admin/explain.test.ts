import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import type { Cause } from '../../../src/core/explain/cause.ts'
import { breakLog, mendLog } from '../../support/break-log.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { connectSse, connectWs, fetchRigel, PollClient, publish } from '../../support/gateway-client.ts'
import { eventually } from '../../support/eventually.ts'

expectLogs(/following (failed|goes on)/, /records went to the dead-letter topic/)

const AUTHORIZATION = { authorization: 'Bearer an-internal-token-of-the-tests' }
const SHARDS = 3
const name = () => crypto.randomUUID()

interface Answer {
  readonly verdict: string
  readonly cause: Cause
  readonly text: string
  readonly shards?: readonly { shard: number; log: { kind: string }; matched: number }[]
  readonly recipients?: unknown
  readonly connections?: readonly { connectionToken: string; cause: Cause }[]
}
type Place = Awaited<ReturnType<typeof publish>>

const get = (query: Record<string, string>) =>
  fetchRigel(`/_rig/api/v1/explain?${new URLSearchParams(query).toString()}`, { headers: AUTHORIZATION })
const placeOf = ({ offset, partition, topic }: Place) => `${topic}/${partition}/${offset}`

async function explain(event: Place | string, user?: string): Promise<Answer> {
  const asked = typeof event === 'string' ? event : placeOf(event)
  const response = await get({ event: asked, ...(user === undefined ? {} : { user }) })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return response.json()
}

/** The follower reads on behind the publish. */
async function explainRead(event: Place, user?: string): Promise<Answer> {
  return eventually(async () => {
    const answer = await explain(event, user)
    if (answer.cause?.kind === 'not_read_yet') throw new Error(answer.text)
    return answer
  })
}

const kindFor = async (event: Place, user: string) => (await explainRead(event, user)).cause.kind
const greeting = (user: string) => ({ type: name(), data: { recipients: [user] } })

describe('GET /v1/explain: the record', () => {
  it('wants an event', async () => {
    expect((await get({})).status).toBe(400)
    const unknown = await get({ event: name(), user: 'alice' })
    expect([unknown.status, await unknown.text()]).toEqual([404, expect.stringContaining('no event with the id')])
  })

  it.each([
    ['somewhere/0/0', 'not_followed'],
    ['rig/0/999999', 'not_produced'],
  ])('%s: %s', async (place, kind) => {
    expect((await explain(place, 'alice')).cause.kind).toBe(kind)
  })

  it('a record that is no event: dead_letter, with its reason', async () => {
    const value = new TextEncoder().encode(`{"n":"${name()}"}`)
    const offset = await env.EMBEDDED_LOG.getByName('rig/1').append([{ timestampMs: 1, key: null, headers: [], value }])
    const answer = await explainRead({ topic: 'rig', partition: 1, offset }, 'alice')
    expect(answer.cause).toMatchObject({ kind: 'dead_letter', code: 'not_a_cloud_event' })
  })

  it('an event that its follower cannot append: not_read_yet, with the error; received once it can', async () => {
    const user = name()
    const client = await connectSse({ user })
    const shard = env.USER_SHARD.getByName(`shard-${shardOf(user, SHARDS)}`)
    const first = greeting(user)
    await publish(first)
    await client.until(1, first.type)
    await breakLog(shard)
    const place = await publish(greeting(user))
    await eventually(async () => {
      const { cause, verdict } = await explain(place, user)
      expect([verdict, cause]).toEqual(['waits', expect.objectContaining({ kind: 'not_read_yet' })])
      expect(cause).toMatchObject({ lastError: expect.stringContaining('broken log') as string })
    })
    await mendLog(shard)
    await eventually(async () => expect((await explain(place, user)).verdict).toBe('received'))
    await client.close()
  })
})

describe('GET /v1/explain: whom it is for', () => {
  it('finds an event by its id, and tells where it went', async () => {
    const [user, id] = [name(), name()]
    const place = await publish({ id, ...greeting(user) })
    await explainRead(place)
    const answer = await explain(id)
    expect(answer.recipients).toEqual([user])
    expect(answer.shards).toEqual([
      { shard: shardOf(user, SHARDS), log: expect.objectContaining({ kind: 'stored' }) as object, matched: 0 },
    ])
  })

  it('not_addressed, no_connection, not_wanted', async () => {
    const [alice, bob] = [name(), name()]
    const place = await publish(greeting(bob))
    expect((await explainRead(place, alice)).cause).toEqual({ kind: 'not_addressed', recipients: [bob] })
    expect(await kindFor(place, bob)).toBe('no_connection')
    expect(await kindFor(await publish({ type: name(), data: {} }), alice)).toBe('not_wanted')
  })

  it('refused: the connection was, and there is no other', async () => {
    const user = name()
    const shard = env.USER_SHARD.getByName(`shard-${shardOf(user, SHARDS)}`)
    const session = name()
    await shard.answer({ kind: 'revoke_session', session, expiresMs: Date.now() + 60_000 }, [], 1)
    const principal = { user, session, expSeconds: Date.now() }
    await shard.openLongpolling(principal, [], null)
    expect((await explainRead(await publish(greeting(user)), user)).cause).toMatchObject({
      kind: 'refused',
      reason: 'session_revoked',
    })
  })
})

describe('GET /v1/explain: the connection', () => {
  it('written, live, to a stream; and by whose subscription', async () => {
    const [user, type] = [name(), name()]
    const client = await connectSse({ user, subscriptions: [{ eventType: type }] })
    const place = await publish({ type, data: {} })
    await client.until(1, type)
    const { cause, connections, verdict } = await explainRead(place, user)
    expect([verdict, connections?.length]).toEqual(['received', 1])
    expect(cause).toMatchObject({ kind: 'written', how: 'live', pattern: type, endedBy: null, acknowledged: null })
    await client.close()
  })

  it('written, and acknowledged only when the client says so', async () => {
    const user = name()
    const client = await connectWs({ user }, 'rigel.v1')
    const event = greeting(user)
    const place = await publish(event)
    const [received] = await client.untilType(event.type, 1)
    expect((await explainRead(place, user)).cause).toMatchObject({
      kind: 'written',
      acknowledged: false,
      pattern: null,
    })
    client.socket.send(JSON.stringify({ type: 'ack', id: received?.id }))
    await eventually(async () =>
      expect((await explain(place, user)).cause).toMatchObject({ kind: 'written', acknowledged: true }),
    )
  })

  it('written, and ended since by an operator: also when it is gone', async () => {
    const user = name()
    const client = await connectWs({ user })
    const event = greeting(user)
    const place = await publish(event)
    await client.untilType(event.type, 1)
    await fetchRigel(`/_rig/api/v3/connections?user=${user}`, { method: 'DELETE', headers: AUTHORIZATION })
    expect((await explainRead(place, user)).cause).toMatchObject({
      kind: 'written',
      endedBy: expect.stringContaining('operator') as string,
    })
    const later = await publish(greeting(user))
    expect((await explainRead(later, user)).cause).toMatchObject({ kind: 'ended_before' })
  })

  it('opened_later: without a position, and with one of another log', async () => {
    const user = name()
    const place = await publish(greeting(user))
    await explainRead(place, user)
    const without = await connectSse({ user })
    expect((await explain(place, user)).cause).toMatchObject({ kind: 'opened_later', recovered: null })
    await without.close()
    const lost = await connectWs({ user, lastEventId: '0.abc-1' })
    const { connections } = await explain(place, user)
    expect(connections?.[0]?.cause).toMatchObject({ kind: 'opened_later', recovered: false })
    lost.socket.close()
  })

  it('type_not_subscribed, clause_refused with field and values, subscribed_later', async () => {
    const [user, hotel] = [name(), name()]
    const subscriptions = [{ eventType: 'booking', oneOf: [{ hotel, room: 1 }] }]
    const client = await connectWs({ user, subscriptions }, 'rigel.v1')
    expect((await explainRead(await publish({ type: name(), data: {} }), user)).cause).toMatchObject({
      kind: 'type_not_subscribed',
      subscribed: expect.arrayContaining(['booking']) as string[],
    })
    const booked = await publish({ type: 'booking', data: { hotel, room: 2 } })
    const { cause, text } = await explainRead(booked, user)
    expect(cause).toMatchObject({ kind: 'clause_refused', refused: [{ field: 'room', expected: 1, got: 2 }] })
    expect(text).toContain('booking requires room 1, the event has 2')
    client.socket.send(JSON.stringify({ type: 'subscribe', ref: '1', subscriptions: [{ eventType: 'booking' }] }))
    await client.until(({ received }) => received.some((frame) => frame.includes('"subscribed"')))
    expect(await kindFor(booked, user)).toBe('subscribed_later')
    expect(await kindFor(await publish({ type: 'booking', data: {} }), user)).toBe('written')
  })

  it('waits_for_poll, until the client polls', async () => {
    const user = name()
    const client = await PollClient.open({ user })
    const event = greeting(user)
    const place = await publish(event)
    await eventually(async () => expect(await kindFor(place, user)).toBe('waits_for_poll'))
    await client.untilType(event.type, 1)
    expect(await kindFor(place, user)).toBe('written')
  })
})
