// Operations on the shards of all groups: a user with connections in two of them is listed, counted, explained and erased in both, and
// is present to both. The shards are real; the Directory's map is given.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import type { ConnectRequest } from '../../../src/core/identity/principal.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'
import { groupNumber, shardAt } from '../../../src/core/shard-map/shard-number.ts'
import { handle } from '../../../src/http/app.ts'
import { broadcastCommand, readError, shardStub, stampConnect } from '../../../src/rpc/shard.ts'
import { publish } from '../../support/gateway-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'
import { asUser, batch, connectRequest, event, SseClient } from '../../support/shard-clients.ts'

const SHARDS = 3
const east = groupNumber('east')
const MAP = initialMap(SHARDS, 50, [east])
const SHARD_GROUPS = JSON.stringify([{ name: 'east', claim: { '/region': ['east'] } }, { name: 'rest' }])
const headers = { authorization: 'Bearer an-internal-token-of-the-tests' }
const name = () => crypto.randomUUID()
const homesOf = (user: string) => [0, east].map((group) => shardAt(group, shardOf(user, SHARDS)))

/** An isolate of a Rigel with groups. Only its Directory is not real. */
const worker = {
  ...env,
  SHARD_GROUPS,
  DIRECTORY: {
    getByName: () => ({ shardMap: async () => MAP, refreshFollowers: async () => undefined }),
  } as unknown as Env['DIRECTORY'],
}

async function fetchAt(path: string, init: RequestInit): Promise<Response> {
  const request = new Request(`https://rigel.example${path}`, init) as Request<unknown, IncomingRequestCfProperties>
  return handle(request, worker, createExecutionContext())
}

async function call<T>(path: string, method = 'GET'): Promise<T> {
  const response = await fetchAt(`/_rig/api${path}`, { headers, method })
  expect(response.status).toBe(200)
  return response.json()
}

const connectAt = async (shard: number, user: string, wanted: Partial<ConnectRequest> = {}) =>
  shardStub(env, shard).fetch(...stampConnect(connectRequest({ principal: asUser(user), ...wanted })))

async function open(shard: number, user: string) {
  const client = new SseClient(await connectAt(shard, user))
  const [created] = await client.until(1, 'rig.connection.create')
  const data = (created?.data['data'] ?? {}) as Record<string, unknown>
  return { client, token: String(data['connection_token']) }
}

/** What its follower does: the event is stored in each group. */
async function store(user: string, type: string) {
  const { offset, partition, topic } = await publish({ type, data: { recipients: [user] } })
  const [, inEast = 0] = homesOf(user)
  const stored = batch([event(offset, { type, recipients: [user] })], { topic, partition, generation: 0 })
  await shardStub(env, inEast).append([stored])
  return `${topic}/${partition}/${offset}`
}

beforeAll(async () => {
  const shards = Array.from({ length: SHARDS }, (_, place) => shardAt(east, place))
  await broadcastCommand(env, shards, { kind: 'learn_shard_map', map: MAP })
})

interface Connections {
  readonly connections: readonly { readonly connectionToken: string }[]
  readonly next: string | null
}

interface Explained {
  readonly verdict: string
  readonly cause: object
  readonly shard: number
  readonly connections: readonly { readonly connectionToken: string }[]
  readonly shards: readonly { readonly shard: number; readonly log: { readonly kind: string } }[]
}

describe('a user with connections in two groups', () => {
  it('is listed and counted in both, also by pages, and all of them are closed', async () => {
    const user = name()
    const opened = await Promise.all(homesOf(user).map((shard) => open(shard, user)))
    const first = await call<Connections>(`/v3/connections?user=${user}&limit=1`)
    const after = encodeURIComponent(first.next ?? '')
    const second = await call<Connections>(`/v3/connections?user=${user}&limit=1&after=${after}`)
    const listed = [...first.connections, ...second.connections].map(({ connectionToken }) => connectionToken)
    expect(listed).toEqual(opened.map(({ token }) => token))
    const users = await call<{ readonly users: Readonly<Record<string, number>> }>('/v3/users')
    expect(users.users[user]).toBe(2)
    expect(await call(`/v3/connections/count?user=${user}`)).toMatchObject({ connections: 2 })
    expect(await call(`/v3/connections?user=${user}`, 'DELETE')).toEqual({ closed: 2 })
  })

  it('is explained by both, and by the log of the group where the connections are', async () => {
    const [user, type] = [name(), name()]
    const [inRest = 0, inEast = 0] = homesOf(user)
    const traveller = await open(inEast, user)
    const at = await store(user, type)
    await traveller.client.until(1, type)
    const one = await call<Explained>(`/v1/explain?event=${at}&user=${user}`)
    expect([one.verdict, one.shard, one.connections.length]).toEqual(['received', inEast, 1])
    await open(inRest, user)
    const both = await call<Explained>(`/v1/explain?event=${at}&user=${user}`)
    expect([both.verdict, both.connections.length]).toEqual(['received', 2])
    const { shards } = await call<Explained>(`/v1/explain?event=${at}`)
    expect(shards.map(({ log, shard }) => [shard, log.kind])).toEqual(homesOf(user).map((shard) => [shard, 'stored']))
  })

  it('who was refused in both is told the newest reason', async () => {
    const [user, type] = [name(), name()]
    const [inRest = 0, inEast = 0] = homesOf(user)
    const at = await store(user, type)
    const expired = { principal: { ...asUser(user), expSeconds: 1 } }
    expect(readError(await connectAt(inRest, user, expired))).toMatchObject({ kind: 'token_expired' })
    const before = Date.now()
    await expect.poll(() => Date.now()).toBeGreaterThan(before)
    const session = name()
    await broadcastCommand(env, [inEast], { kind: 'revoke_session', session, expiresMs: before + 60_000 })
    const revoked = { principal: { ...asUser(user), session } }
    expect(readError(await connectAt(inEast, user, revoked))).toMatchObject({ kind: 'session_revoked' })
    const { cause } = await call<Explained>(`/v1/explain?event=${at}&user=${user}`)
    expect(cause).toMatchObject({ kind: 'refused', reason: 'session_revoked' })
  })

  it('who was only sent from one shard to the other was not refused', async () => {
    const [user, type] = [name(), name()]
    const [, inEast = 0] = homesOf(user)
    const at = await store(user, type)
    const elsewhere = { atPosition: true, lastEventId: '0.x-1' }
    expect(readError(await connectAt(inEast, user, elsewhere))).toMatchObject({ kind: 'wrong_shard' })
    expect((await call<Explained>(`/v1/explain?event=${at}&user=${user}`)).cause).toMatchObject({
      kind: 'no_connection',
    })
  })

  it('is erased in both', async () => {
    const [user, type] = [name(), name()]
    const opened = await Promise.all(homesOf(user).map((shard) => open(shard, user)))
    await store(user, type)
    await Promise.all(opened.map(({ client }) => client.until(1, type)))
    expect(await call(`/v1/users/${user}`, 'DELETE')).toMatchObject({ closed: 2, erased: 2 })
    expect(await call(`/v1/users/${user}`, 'DELETE')).toMatchObject({ closed: 0, erased: 0 })
  })
})

describe('Phoenix', () => {
  const connect = async (user: string, region: string, roles: readonly string[]) => {
    const query = new URLSearchParams({ vsn: '2.0.0', token: await tokenOf(user, { region, roles, username: user }) })
    const path = `/_rig/v1/connection/phoenix/websocket?${query.toString()}`
    const { webSocket } = await fetchAt(path, { headers: { upgrade: 'websocket' } })
    if (webSocket === null) throw new Error('no WebSocket')
    return new PhoenixClient(webSocket)
  }
  const groupOfRef = (ref: unknown) => Math.floor(Number.parseInt(String(ref), 10) / 8_192)

  it('shows users of all groups to each other, and who leaves', async () => {
    const [role, here, there] = [`role-${name()}`, name(), name()]
    const topic = `role:${role}`
    const watch = async (region: string) => {
      const boss = await connect(name(), region, ['support'])
      await boss.ask(topic, 'phx_join')
      await boss.untilEvent(topic, 'presence_state')
      return boss
    }
    const bosses = [await watch('west'), await watch('east')]
    for (const [user, region] of [
      [here, 'west'],
      [there, 'east'],
    ] as const) {
      const client = await connect(user, region, [role])
      await client.ask(`user:${user}`, 'phx_join')
      if (region === 'east') {
        for (const boss of bosses) await boss.untilEvent(topic, 'presence_diff', 2)
        await client.ask(`user:${user}`, 'phx_leave', {}, null)
      }
    }
    for (const boss of bosses) {
      const diffs = (await boss.untilEvent(topic, 'presence_diff', 3)).map(
        ([, , , , diff]) => diff as { readonly joins: object; readonly leaves: object },
      )
      expect(diffs.map(({ joins, leaves }) => [Object.keys(joins), Object.keys(leaves)])).toEqual([
        [[here], []],
        [[there], []],
        [[], [there]],
      ])
    }
  })

  it('tells a channel that comes to another group of the gap', async () => {
    const user = name()
    const joinIn = async (region: string, position?: string) => {
      const client = await connect(user, region, [])
      const payload = position === undefined ? {} : { last_event_id: position }
      const reply = (await client.ask(`user:${user}`, 'phx_join', payload)) as { readonly response: object }
      return reply.response as { readonly last_event_id?: string; readonly recovered?: boolean }
    }
    const first = await joinIn('east', '0.x-1')
    expect([first.recovered, groupOfRef(first.last_event_id)]).toEqual([false, east])
    expect(await joinIn('east', first.last_event_id)).toMatchObject({ recovered: true })
    const moved = await joinIn('west', first.last_event_id)
    expect([moved.recovered, groupOfRef(moved.last_event_id)]).toEqual([false, 0])
  })
})
