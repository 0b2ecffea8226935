import { runInDurableObject, evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../../../src/core/delivery/shard-hash.ts'
import { tokenOf } from '../../../../support/make-tokens.ts'
import { fetchRigel, publish } from '../../../../support/gateway-client.ts'
import { PhoenixClient, type Frame } from '../../../../support/phoenix-client.ts'

const SHARDS = 3
const shardOfUser = (user: string) => env.USER_SHARD.getByName(`shard-${shardOf(user, SHARDS)}`)
const idsOf = (frames: readonly Frame[]) => frames.map(([, , , , payload]) => (payload as { id: string }).id)

/** Names that nobody else of this file has. */
function name(prefix: string): string {
  return `${prefix}-${crypto.randomUUID().slice(0, 8)}`
}

/** A user of this shard. */
function userOn(shard: number): string {
  for (;;) {
    const user = name('u')
    if (shardOf(user, SHARDS) === shard) return user
  }
}

describe('a channel', () => {
  it('of a user carries what is addressed to that user, as message, with its position as ref', async () => {
    const user = name('alice')
    const client = await PhoenixClient.open(await tokenOf(user))
    expect(await client.ask(`user:${user}`, 'phx_join')).toMatchObject({ status: 'ok', response: {} })
    await publish({ id: 'a1', type: 'note', data: { recipients: [user] } })
    const [[joinRef, ref, , , payload]] = (await client.untilEvent(`user:${user}`, 'message')) as [Frame]
    expect(joinRef).toBe('1')
    expect(ref).toMatch(/^\d\.[0-9a-f]+-\d+\.[0-9a-f]{16}$/)
    expect(payload).toMatchObject({ id: 'a1', type: 'note' })
  })

  it('of events carries its type under its name, if the join says so, and what its constraints let through', async () => {
    const client = await PhoenixClient.open()
    const joined = await client.ask('events:greeting', 'phx_join', { name: 'type', oneOf: [{ name: 'alice' }] })
    expect(joined).toMatchObject({ status: 'ok' })
    await publish({ id: 'g1', type: 'greeting', data: { name: 'bob' } })
    await publish({ id: 'g2', type: 'greeting', data: { name: 'alice' } })
    expect(idsOf(await client.untilEvent('events:greeting', 'greeting'))).toEqual(['g2'])
  })

  it('does not carry an event under a name on which the library would act', async () => {
    const user = name('alice')
    const client = await PhoenixClient.open(await tokenOf(user))
    await client.ask(`user:${user}`, 'phx_join', { name: 'type' })
    for (const type of ['phx_close', 'presence_state', 'note'])
      await publish({ id: type, type, data: { recipients: [user] } })
    await client.untilEvent(`user:${user}`, 'note')
    const events = client.frames.filter(([, , , , payload]) => 'specversion' in (payload as object))
    expect(events.map(([, , , event, payload]) => [event, (payload as { id?: string }).id])).toEqual([
      ['message', 'phx_close'],
      ['message', 'presence_state'],
      ['note', 'note'],
    ])
  })

  it('counts for the bytes of subscriptions of its connection, until it is left', async () => {
    const client = await PhoenixClient.open()
    const oneOf = (value: string) => ({ oneOf: [{ name: { in: Array.from({ length: 900 }, (_, n) => value + n) } }] })
    const long = 'x'.repeat(30)
    const refusal = {
      status: 'error',
      response: { reason: expect.stringContaining('Subscriptions too large') as string },
    }
    expect(await client.ask('events:greeting', 'phx_join', oneOf(long))).toMatchObject({ status: 'ok' })
    expect(await client.ask('events:greeting', 'phx_join', oneOf(long))).toMatchObject({ status: 'ok' })
    expect(await client.ask('events:welcome', 'phx_join', {})).toMatchObject({ status: 'ok' })
    expect(await client.ask('events:greeting', 'phx_join', oneOf(long + long))).toMatchObject({ status: 'ok' })
    await client.ask('events:greeting', 'phx_leave', {}, null)
    expect(await client.ask('events:greeting', 'phx_join', oneOf(long + long + long))).toMatchObject(refusal)
  })

  it.each([
    ['user:bob', {}, 'unauthorized user with id "alice" tried to join "user:bob"!'],
    ['role:support', {}, 'unauthorized user with id "alice" tried to join "role:support"!'],
    ['room:1', {}, 'unmatched topic'],
    ['user:', {}, 'unmatched topic'],
    ['events:x', { oneOf: 7 }, 'could not parse subscription'],
    ['user:alice', { name: 'other' }, 'must be {"name"'],
    ['user:alice', 'text', 'must be {"name"'],
  ])('%s with %j is refused, saying why', async (topic, payload, reason) => {
    const client = await PhoenixClient.open(await tokenOf('alice'))
    const reply = (await client.ask(topic, 'phx_join', payload)) as { status: string; response: { reason: string } }
    expect(reply.status).toBe('error')
    expect(reply.response.reason).toContain(reason)
  })

  it('of another user is for privileged roles, wherever that user lives', async () => {
    const [user, other] = [userOn(0), userOn(1)]
    const client = await PhoenixClient.open(await tokenOf(user, { roles: ['support'] }))
    expect(await client.ask(`user:${other}`, 'phx_join')).toMatchObject({ status: 'ok' })
    await publish({ id: 'w1', type: 'note', data: { recipients: [other] } })
    expect(idsOf(await client.untilEvent(`user:${other}`, 'message'))).toEqual(['w1'])
  })

  it('resumes from the position of its join, and says whether it could', async () => {
    const user = name('alice')
    const first = await PhoenixClient.open(await tokenOf(user))
    await first.ask(`user:${user}`, 'phx_join')
    await publish({ id: 'r1', type: 'note', data: { recipients: [user] } })
    const [frame] = await first.untilEvent(`user:${user}`, 'message')
    first.close()
    await publish({ id: 'r2', type: 'note', data: { recipients: [user] } })
    const client = await PhoenixClient.open(await tokenOf(user))
    const reply = await client.ask(`user:${user}`, 'phx_join', { last_event_id: frame?.[1] })
    // The third number: from there on it may still join a channel of an event type.
    const [place = ''] = /^[^-]*-\d+/.exec(frame?.[1] ?? '') ?? []
    const position = expect.stringContaining(`${place}-${place.split('-')[1]}.`) as string
    expect(reply).toMatchObject({ status: 'ok', response: { recovered: true, last_event_id: position } })
    expect(idsOf(await client.untilEvent(`user:${user}`, 'message'))).toEqual(['r2'])
    const lost = await client.ask('events:never-followed', 'phx_join', { last_event_id: frame?.[1] })
    expect(lost).toMatchObject({ status: 'ok', response: { recovered: false } })
  })

  it('that is left carries nothing more, and one of an earlier join hears nothing', async () => {
    const client = await PhoenixClient.open()
    await client.ask('events:left', 'phx_join')
    expect(await client.ask('events:left', 'phx_leave', {}, client.lastRef)).toMatchObject({ status: 'ok' })
    await client.untilEvent('events:left', 'phx_close')
    expect(await client.ask('events:left', 'anything')).toMatchObject({ response: { reason: 'unmatched topic' } })
    await client.ask('events:again', 'phx_join')
    const firstJoin = client.lastRef
    await client.ask('events:again', 'phx_join')
    expect(await client.untilEvent('events:again', 'phx_close')).toEqual([
      [firstJoin, firstJoin, 'events:again', 'phx_close', {}],
    ])
    client.send(JSON.stringify([firstJoin, 'stale', 'events:again', 'event', {}]))
    await client.ask('phoenix', 'heartbeat', {}, null)
    expect(client.frames.some(([, ref]) => ref === 'stale')).toBe(false)
  })

  it('takes events, as JSON and as bytes, and says what is wrong with others', async () => {
    const client = await PhoenixClient.open()
    await client.ask('events:pushed', 'phx_join')
    const event = { specversion: '1.0', id: 'p1', source: '/test', type: 'pushed' }
    expect(await client.ask('events:pushed', 'event', event, client.lastRef)).toMatchObject({
      status: 'ok',
      response: { topic: 'rig', partition: expect.any(Number) as number, offset: expect.any(Number) as number },
    })
    const wrong = (await client.ask('events:pushed', 'event', { id: 1 }, null)) as { response: { reason: string } }
    expect(wrong.response.reason).toContain('specversion must be')
    client.send(binaryPush('events:pushed', { ...event, id: 'p2' }))
    expect(idsOf(await client.untilEvent('events:pushed', 'message', 2)).toSorted()).toEqual(['p1', 'p2'])
  })
})

describe('a socket', () => {
  it('goes on after its shard was evicted', async () => {
    const user = name('alice')
    const client = await PhoenixClient.open(await tokenOf(user))
    await client.ask(`user:${user}`, 'phx_join')
    await evictDurableObject(shardOfUser(user))
    await publish({ id: 'e1', type: 'note', data: { recipients: [user] } })
    expect(idsOf(await client.untilEvent(`user:${user}`, 'message'))).toEqual(['e1'])
    expect(await client.ask('phoenix', 'heartbeat', {}, null)).toEqual({ status: 'ok', response: {} })
  })

  it('of a silent client is closed, with a code that says to come back', async () => {
    const user = name('silent')
    const client = await PhoenixClient.open(await tokenOf(user))
    await client.ask('events:x', 'phx_join')
    await runInDurableObject(shardOfUser(user), (_shard, state) => {
      for (const socket of state.getWebSockets()) {
        const attachment = socket.deserializeAttachment() as { transport: string; seenAtMs: number }
        if (attachment.transport === 'phoenix') socket.serializeAttachment({ ...attachment, seenAtMs: 0 })
      }
    })
    await runDurableObjectAlarm(shardOfUser(user))
    expect((await client.untilClosed()).code).toBe(4005)
  })

  it('that sends what is no message is closed', async () => {
    const client = await PhoenixClient.open()
    client.send('garbage')
    const { code, reason } = await client.untilClosed()
    expect([code, reason]).toEqual([4504, expect.stringMatching(/^Not a message of Phoenix Channels: \[join_ref, /)])
  })

  it.each(['a.b.c', ''])('with a bad token is refused: %j', async (token) => {
    const response = await fetchRigel(`/_rig/v1/connection/phoenix/websocket?vsn=2.0.0&token=${token}x`, {
      headers: { upgrade: 'websocket' },
    })
    expect(response.status).toBe(403)
  })

  it('takes the authToken of phoenix 1.8 as a subprotocol', async () => {
    const user = name('alice')
    const token = btoa(await tokenOf(user)).replaceAll('=', '')
    const response = await fetchRigel('/_rig/v1/connection/phoenix/websocket?vsn=2.0.0', {
      headers: { upgrade: 'websocket', 'sec-websocket-protocol': `phoenix, base64url.bearer.phx.${token}` },
    })
    expect(response.headers.get('sec-websocket-protocol')).toBe('phoenix')
    if (response.webSocket === null) throw new Error('no WebSocket')
    expect(await new PhoenixClient(response.webSocket).ask(`user:${user}`, 'phx_join')).toMatchObject({ status: 'ok' })
  })

  it('at the paths of RIG 1.x is nobody there unless a variable says so', async () => {
    expect((await fetchRigel('/socket/websocket?vsn=2.0.0', { headers: { upgrade: 'websocket' } })).status).toBe(404)
  })
})

function binaryPush(topic: string, payload: object): ArrayBuffer {
  const encoder = new TextEncoder()
  const parts = ['', 'b', topic, 'event'].map((text) => encoder.encode(text))
  const bytes = [0, ...parts.map((part) => part.length), ...parts.flatMap((part) => [...part])]
  return Uint8Array.from([...bytes, ...encoder.encode(JSON.stringify(payload))]).buffer
}
