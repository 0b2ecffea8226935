// Rules per event type (TYPES in vitest.config.ts), through the Worker. That each transport delivers by them is a part of the
// contract suite, test/objects/shard/transports/contract.test.ts.
import { describe, expect, it } from 'vitest'
import { fetchRigel, publish } from '../../support/gateway-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'
import { PhoenixClient, type Frame } from '../../support/phoenix-client.ts'
import { SseClient, WsClient } from '../../support/shard-clients.ts'

const list = (...types: readonly string[]) => JSON.stringify(types.map((eventType) => ({ eventType })))

async function connect(
  types: readonly string[],
  claims: Record<string, unknown> | null,
  more: Record<string, string> = {},
) {
  const token: Record<string, string> = claims === null ? {} : { jwt: await tokenOf('ruled', claims) }
  const query = new URLSearchParams({ subscriptions: list(...types), ...token, ...more })
  return fetchRigel(`/_rig/v1/connection/sse?${query.toString()}`)
}

async function open(
  types: readonly string[],
  claims: Record<string, unknown> | null,
  more?: Record<string, string>,
): Promise<SseClient> {
  const client = new SseClient(await connect(types, claims, more))
  await client.until(2)
  return client
}

const idsOf = ({ frames }: SseClient) => frames.flatMap(({ data }) => (data['source'] === '/test' ? [data['id']] : []))

describe('a type with rules', () => {
  it('is for those that they name; others are refused, and told who may', async () => {
    const refused = await connect(['ruled.role'], { roles: ['user'] })
    expect([refused.status, await refused.text()]).toEqual([
      403,
      'Forbidden: subscribe ruled.role: allowed: the role "admin".',
    ])
    expect((await connect(['ruled.tenant'], null)).status).toBe(403)
    const admin = await open(['ruled.role'], { roles: ['admin'] })
    await publish({ id: 'r1', type: 'ruled.role' })
    await admin.until(1, 'ruled.role')
    await admin.close()
  })

  it('gives events whose field equals the claim, also by a pattern', async () => {
    const client = await open(['ruled.*'], { tenant: ['a', 'c'] })
    const add = (id: string, type: string, tenant: string) => publish({ id, type, partitionkey: 't', data: { tenant } })
    await add('t1', 'ruled.tenant', 'a')
    await add('t2', 'ruled.tenant', 'b')
    await add('t3', 'ruled.role', 'a')
    await add('t4', 'ruled.tenant', 'c')
    await client.until(2, 'ruled.tenant')
    expect(idsOf(client)).toEqual(['t1', 't4'])
    await client.close()
  })

  it('is narrowed further by the claim rig of a token, also where there are no rules', async () => {
    const rig = { subscribe: ['narrow.a', 'narrow.b.*'] }
    const client = await open(['narrow.*'], { rig })
    const refused = await connect(['narrow.c'], { rig })
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('narrows to other types')])
    for (const type of ['narrow.c', 'narrow.a', 'narrow.b.c']) await publish({ id: type, type, partitionkey: 'n' })
    await client.until(1, 'narrow.b.c')
    expect(idsOf(client)).toEqual(['narrow.a', 'narrow.b.c'])
    await client.close()
    const wrong = await connect(['narrow.a'], { rig: { subscribe: 'narrow.a' } })
    expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringContaining('the claim rig must be')])
  })

  it('counts for later subscriptions: by PUT with a token, in-band, and for channels', async () => {
    const client = await open([], null)
    const created = client.frames[0]?.data['data'] as { readonly connection_token: string } | undefined
    const token = created?.connection_token ?? ''
    const put = (claims: Record<string, unknown>) =>
      tokenOf('ruled', claims).then((jwt) =>
        fetchRigel(`/_rig/v1/connection/sse/${token}/subscriptions`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${jwt}` },
          body: `{"subscriptions":${list('ruled.role')}}`,
        }),
      )
    expect((await put({ roles: [] })).status).toBe(403)
    expect((await put({ roles: ['admin'] })).status).toBe(204)
    await publish({ id: 'p1', type: 'ruled.role' })
    await client.until(1, 'ruled.role')
    await client.close()
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': `rigel.v1, bearer.${await tokenOf('ruled')}` }
    const socket = new WsClient(await fetchRigel('/_rig/v1/connection/ws', { headers }))
    await socket.untilType('rig.subscriptions_set', 1)
    socket.socket.send(JSON.stringify({ type: 'subscribe', subscriptions: [{ eventType: 'ruled.role' }], ref: '1' }))
    const { received } = await socket.until((one) => one.received.some((text) => text.includes('"error"')))
    expect(JSON.parse(received.at(-1) ?? '')).toMatchObject({ type: 'error', status: 403 })
    socket.socket.close()
    const phoenix = await PhoenixClient.open(await tokenOf('ruled'))
    const joined = await phoenix.ask('events:ruled.role', 'phx_join')
    expect(joined).toMatchObject({
      status: 'error',
      response: { reason: expect.stringContaining('"admin"') as string },
    })
    phoenix.close()
  })

  it('may be published only by those whom its right names, by HTTP and by a channel, and up to a size', async () => {
    const write = async (claims: Record<string, unknown> | null, data = 'x') => {
      const token: Record<string, string> =
        claims === null ? {} : { authorization: `Bearer ${await tokenOf('ruled', claims)}` }
      const headers = { 'content-type': 'application/cloudevents+json', ...token }
      const event = { specversion: '1.0', id: 'w', source: '/test', type: 'ruled.written', data }
      const response = await fetchRigel('/_rig/v1/events', { method: 'POST', headers, body: JSON.stringify(event) })
      return [response.status, await response.text()]
    }
    expect(await write(null)).toEqual([403, 'Forbidden: publish ruled.written: allowed: the role "writer".'])
    expect((await write({ roles: ['reader'] }))[0]).toBe(403)
    expect((await write({ roles: ['writer'] }))[0]).toBe(202)
    expect((await write({ roles: ['writer'] }, 'x'.repeat(300)))[0]).toBe(413)
    const event = { specversion: '1.0', id: 'w', source: '/test', type: 'ruled.written' }
    for (const [roles, status] of [
      [['reader'], 'error'],
      [['writer'], 'ok'],
    ] as const) {
      const phoenix = await PhoenixClient.open(await tokenOf('ruled', { roles }))
      await phoenix.ask('events:ruled.other', 'phx_join')
      expect(await phoenix.ask('events:ruled.other', 'event', event, null)).toMatchObject({ status })
      phoenix.close()
    }
  })

  it('has presence on its channels for those whom its right names, and for nobody without one', async () => {
    const join = async (user: string, roles: readonly string[], topic: string) => {
      const client = await PhoenixClient.open(await tokenOf(user, { roles }))
      expect(await client.ask(topic, 'phx_join')).toMatchObject({ status: 'ok' })
      return client
    }
    const topic = 'events:ruled.room.1'
    const tells = (text: string) => (frame: Frame) => JSON.stringify(frame).includes(text)
    const first = await join('room-a', ['member'], topic)
    await first.untilEvent(topic, 'presence_state')
    const second = await join('room-b', ['member'], topic)
    await first.until(tells('room-b'))
    await second.until(tells('room-a'))
    const guest = await join('room-c', [], topic)
    const outside = await join('room-a', ['member'], 'events:ruled.other')
    await second.ask(topic, 'phx_leave', {}, null)
    await first.until(tells('"leaves":{"room-b"'))
    for (const { frames } of [guest, outside])
      expect(frames.filter(([, , , name]) => name.startsWith('presence'))).toEqual([])
    for (const client of [first, second, guest, outside]) client.close()
  })

  it('may be read from the past only by those whom its right to history names', async () => {
    const scope = 'history:read'
    const follower = await open(['ruled.past'], { scope })
    const since = new Date().toISOString()
    await publish({ id: 'h1', type: 'ruled.past' })
    await follower.until(1, 'ruled.past')
    const read = async (types: string, claims: Record<string, unknown>) => {
      const headers = { authorization: `Bearer ${await tokenOf('ruled', claims)}` }
      return fetchRigel(`/_rig/v1/history?${new URLSearchParams({ types, since }).toString()}`, { headers })
    }
    expect((await read('ruled.past', {})).status).toBe(403)
    const page = await (await read('ruled.past', { scope })).json<{ events: unknown[] }>()
    expect(page.events).toHaveLength(1)
    const wider = await (await read('ruled.*', {})).json<{ events: unknown[] }>()
    expect(wider.events).toHaveLength(0)
    // Live events are for everybody.
    const without = await open(['ruled.past'], {}, { since })
    const allowed = await open(['ruled.past'], { scope }, { since })
    await publish({ id: 'h2', type: 'ruled.past' })
    await without.until(1, 'ruled.past')
    await allowed.until(2, 'ruled.past')
    expect([idsOf(without), idsOf(allowed)]).toEqual([['h2'], ['h1', 'h2']])
    for (const one of [follower, without, allowed]) await one.close()
  })
})
