// What is stored already, through the Worker: pages by HTTP, and connections that begin at a time.
import { describe, expect, it } from 'vitest'
import { connectSse, connectWs, fetchRigel, PollClient, publish, tokenFor } from '../../support/gateway-client.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'

interface Page {
  readonly events: readonly { readonly id: string; readonly event: { readonly id: string; readonly type: string } }[]
  readonly last_event_id: string
  readonly complete_since: string | null
  readonly has_more: boolean
}

let users = 0

/** A user whose shard has stored five events of a type from `since` on, one that is addressed, and others. */
async function newHistory() {
  users += 1
  const user = `history-${users}`
  const type = `history.${users}`
  const follower = await connectSse({ user, subscriptions: [{ eventType: type }] })
  const since = new Date().toISOString()
  const add = (id: string, more: object = {}) => publish({ id, type, partitionkey: type, ...more })
  for (let id = 1; id <= 5; id += 1) await add(String(id), { data: { name: id % 2 === 0 ? 'even' : 'odd' } })
  await add('6', { type: 'note', data: { recipients: [user] } })
  await add('7', { type: 'note', data: { recipients: ['nobody'] } })
  await add('8', { type: 'history.unwanted' })
  await follower.until(5, type)
  await follower.until(1, 'note')
  return { add, follower, since, type, user }
}

async function read(user: string, parameters: Record<string, string>): Promise<Page> {
  const headers = { authorization: `Bearer ${await tokenFor(user)}` }
  const response = await fetchRigel(`/_rig/v1/history?${new URLSearchParams(parameters).toString()}`, {
    headers,
  })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return response.json()
}

const idsOf = ({ events }: Page) => events.map(({ event }) => event.id)

describe('GET /_rig/v1/history', () => {
  it('returns pages of what the user may get, in order, and says since when they are complete', async () => {
    const { follower, since, type, user } = await newHistory()
    const ids: string[] = []
    let after = ''
    for (;;) {
      const page = await read(user, { types: type, since, limit: '2', after })
      expect(Date.parse(page.complete_since ?? '')).toBeLessThanOrEqual(Date.parse(since))
      expect(page.events.length).toBeLessThanOrEqual(2)
      ids.push(...idsOf(page))
      after = page.last_event_id
      if (!page.has_more) break
    }
    expect(ids).toEqual(['1', '2', '3', '4', '5', '6'])
    await follower.close()
  })

  it('applies constraints, and gives no events of others, nor of types that are not asked for', async () => {
    const { follower, since, type, user } = await newHistory()
    const other = await read('history-other', { types: 'history.unwanted', since })
    expect(idsOf(other)).toEqual([])
    // Nobody on any shard has subscribed to it: nothing of it is stored.
    expect(other.complete_since).toBeNull()
    expect(idsOf(await read(user, { since }))).toEqual(['6'])
    const subscriptions = JSON.stringify([{ eventType: type.replace(/\d+/, '*') }])
    expect((await read(user, { subscriptions, since })).complete_since).toBeNull()
    await follower.close()
  })

  it('ends where a connection goes on, without a gap or a repetition', async () => {
    const { add, follower, since, type, user } = await newHistory()
    const page = await read(user, { types: type, since })
    await add('9')
    const wanted = { user, subscriptions: [{ eventType: type }], lastEventId: page.last_event_id }
    const client = await connectSse(wanted)
    await add('10')
    await client.until(2, type)
    expect(client.frames.slice(2).map(({ data }) => data['id'])).toEqual(['9', '10'])
    await client.close()
    await follower.close()
  })

  it.each([
    ['limit=0', 'limit must be a number from 1 to 1000'],
    ['since=yesterday', 'RFC 3339'],
    ['types=a&subscriptions=[]', 'exclude each other'],
    ['types=', 'Failed to decode', '&subscriptions=x'],
    ['last_event_id=1.abc-7', 'last_event_id is for connections: give after, or since'],
    ['as_of=rig/0@1', 'as_of is for connections'],
    ['types=a..*.*b,*c*.*', 'a pattern has one star'],
    ['after=1.abc-7', 'after is no position'],
  ])('refuses %s, saying what would be right', async (query, text, more = '') => {
    const headers = { authorization: `Bearer ${await tokenFor('history-wrong')}` }
    const response = await fetchRigel(`/_rig/v1/history?${query}${more}`, { headers })
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(text)])
  })

  it('serves a burst of requests of one user, and refuses what comes beyond its pace', async () => {
    const headers = { authorization: `Bearer ${await tokenFor('history-flood')}` }
    const ask = async () => (await fetchRigel('/_rig/v1/history', { headers })).status
    const statuses = await Promise.all(Array.from({ length: 200 }, ask))
    const served = statuses.filter((status) => status === 200).length
    // Fifty at once, ten a second, and waits of a second at most. A slow machine takes seconds for the requests.
    expect(served).toBeGreaterThanOrEqual(60)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
  })

  it('refuses a bad token', async () => {
    const response = await fetchRigel('/_rig/v1/history', { headers: { authorization: 'Bearer x' } })
    expect(response.status).toBe(401)
  })
})

describe('a client that connects with a time', () => {
  it('begins there, on each transport, is told whether that is complete, and resumes with its position', async () => {
    const { add, follower, since, type, user } = await newHistory()
    const wanted = { user, subscriptions: [{ eventType: type }], since }
    const sse = await connectSse(wanted)
    await sse.until(5, type)
    expect(sse.frames[0]?.data['data']).toMatchObject({ recovered: true, complete_since: expect.any(String) as string })
    await sse.close()
    await add('9')
    const again = await connectSse({ ...wanted, lastEventId: sse.lastEventId })
    await again.until(1, type)
    expect(again.frames.slice(2).map(({ data }) => data['id'])).toEqual(['9'])
    await again.close()
    const socket = await connectWs(wanted, 'rigel.v1')
    await socket.untilType(type, 6)
    socket.socket.close()
    const polling = await PollClient.open(wanted)
    await polling.untilType(type, 6)
    const phoenix = await PhoenixClient.open(await tokenFor(user))
    const joined = await phoenix.ask(`events:${type}`, 'phx_join', { since })
    expect(joined).toMatchObject({ response: { recovered: true, complete_since: expect.any(String) as string } })
    await phoenix.untilEvent(`events:${type}`, 'message', 6)
    phoenix.close()
    await follower.close()
  })

  it('is told if it asks for a time from which not everything is stored, or for everything', async () => {
    const { follower, type, user } = await newHistory()
    const subscriptions = [{ eventType: type }]
    const old = await connectSse({ user, subscriptions, since: '2020-01-01T00:00:00+01:00' })
    await old.until(5, type)
    expect(old.frames[0]?.data['data']).toMatchObject({ recovered: false })
    const all = await connectSse({ user, subscriptions, lastEventId: 'earliest' })
    await all.until(5, type)
    expect(all.frames[0]?.data['data']).not.toHaveProperty('recovered')
    expect(all.frames[0]?.data['data']).toHaveProperty('complete_since')
    const polling = await PollClient.open({ user, subscriptions, lastEventId: 'earliest' })
    await polling.untilType(type, 5)
    for (const client of [old, all, follower]) await client.close()
  })

  it('is refused with a time that is none, and with as_of beside it', async () => {
    for (const query of [
      'since=now',
      'since=2026-11-27T08:00:00Z&as_of=rig/0@1',
      'last_event_id=earliest&as_of=rig/0@1',
    ]) {
      const refused = await fetchRigel(`/_rig/v1/connection/ndjson?${query}`)
      expect(refused.status).toBe(400)
    }
  })
})
