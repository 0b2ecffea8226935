import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { shardOf } from '../../../../../src/core/delivery/shard-hash.ts'
import { inAnHour, signClaimsText, tokenOf } from '../../../../support/make-tokens.ts'
import { PhoenixClient } from '../../../../support/phoenix-client.ts'

const SHARDS = 3

interface Presences {
  readonly [name: string]: { readonly metas: readonly { readonly phx_ref: string; readonly username?: string }[] }
}

interface Diff {
  readonly joins: Presences
  readonly leaves: Presences
}

/** A role that nobody else has, and one user of it on each shard. */
function makeRole() {
  const role = `role-${crypto.randomUUID().slice(0, 8)}`
  const users = Array.from({ length: SHARDS }, (_, shard) => {
    for (;;) {
      const user = `p-${crypto.randomUUID().slice(0, 8)}`
      if (shardOf(user, SHARDS) === shard) return user
    }
  })
  const topic = env.PRESENCE_TOPIC.getByName(`role:${role}`)
  const connect = async (user: string) => {
    const client = await PhoenixClient.open(await tokenOf(user, { roles: [role], username: user }))
    await client.ask(`user:${user}`, 'phx_join')
    return client
  }
  const watch = async () => {
    const client = await PhoenixClient.open(await tokenOf(`boss-${role}`, { roles: ['support'] }))
    await client.ask(`role:${role}`, 'phx_join')
    const [state] = await client.untilEvent(`role:${role}`, 'presence_state')
    return { client, state: state?.[4] as Presences }
  }
  const diffs = async (client: PhoenixClient, count: number) =>
    (await client.untilEvent(`role:${role}`, 'presence_diff', count)).map((frame) => frame[4] as Diff)
  const present = async (): Promise<readonly string[]> =>
    runInDurableObject(topic, (_topic, { storage }) =>
      storage.sql
        .exec<{ name: string }>('SELECT name FROM present')
        .toArray()
        .map((row) => row.name),
    )
  return { role, users, topic, connect, watch, diffs, present }
}

it('shows the users of a role on every shard, and who comes and goes', async () => {
  const { users, connect, watch, diffs, present } = makeRole()
  const [first = '', second = '', third = ''] = users
  await connect(first)
  await connect(second)
  await expect.poll(() => present()).toHaveLength(2)
  const { client: boss, state } = await watch()
  expect(Object.keys(state).toSorted()).toEqual([first, second].toSorted())
  expect(state[first]?.metas[0]).toMatchObject({ username: first, phx_ref: expect.any(String) as string })
  const late = await connect(third)
  expect((await diffs(boss, 1)).map(({ joins }) => Object.keys(joins))).toEqual([[third]])
  await late.ask(`user:${third}`, 'phx_leave', {}, null)
  const [, left] = await diffs(boss, 2)
  expect(Object.keys(left?.leaves ?? {})).toEqual([third])
})

it('shows claims with every digit, in the state and in a diff', async () => {
  const { role, users, watch, present } = makeRole()
  const [first = '', second = ''] = users
  const connectWithNumber = async (user: string) => {
    const claims = { sub: user, exp: inAnHour(), roles: [role] }
    const text = `${JSON.stringify(claims).slice(0, -1)},"username":{"ids":[9007199254740993]}}`
    const client = await PhoenixClient.open(await signClaimsText(text))
    await client.ask(`user:${user}`, 'phx_join')
  }
  await connectWithNumber(first)
  await expect.poll(() => present()).toEqual([first])
  const { client: boss } = await watch()
  await connectWithNumber(second)
  await boss.untilEvent(`role:${role}`, 'presence_diff')
  const shown = boss.texts.filter((text) => text.includes('"username":{"ids":[9007199254740993]}'))
  expect(shown.map((text) => /presence_\w+/.exec(text)?.[0])).toEqual(['presence_state', 'presence_diff'])
})

it('shows a user of many connections with ten of them, who stays present until the last one has left', async () => {
  const { users, connect, watch, present } = makeRole()
  const [user = ''] = users
  const clients = []
  for (let n = 0; n < 12; n += 1) clients.push(await connect(user))
  await expect.poll(() => present()).toHaveLength(10)
  const { state } = await watch()
  expect(state[user]?.metas).toHaveLength(10)
  for (const client of clients.slice(0, 11)) await client.ask(`user:${user}`, 'phx_leave', {}, null)
  await expect.poll(() => present()).toEqual([user])
})

it('of a topic that nobody needs any more, nothing stays stored', async () => {
  const { role, topic, users, connect, watch, present } = makeRole()
  const [user = ''] = users
  const client = await connect(user)
  await expect.poll(() => present()).toEqual([user])
  const { client: boss } = await watch()
  await client.ask(`user:${user}`, 'phx_leave', {}, null)
  await expect.poll(() => present()).toEqual([])
  await boss.ask(`role:${role}`, 'phx_leave', {}, null)
  const shard = shardOf(`boss-${role}`, SHARDS)
  // What the shard says when it drops its copy, a minute later: first one that was overtaken by another `watch`.
  await topic.unwatch(shard, 0)
  expect(await tablesOf(topic)).toContain('watchers')
  await topic.unwatch(shard, Date.now())
  expect(await tablesOf(topic)).toEqual([])
  await connect(user)
  await expect.poll(() => present()).toEqual([user])
})

it('has no channel and no place for names of any length', async () => {
  const long = 'x'.repeat(257)
  const { connect, present, users } = makeRole()
  await connect(long)
  const [user = ''] = users
  await connect(user)
  await expect.poll(() => present()).toEqual([user])
  const boss = await PhoenixClient.open(await tokenOf('boss', { roles: ['support'] }))
  expect(await boss.ask(`role:${long}`, 'phx_join')).toEqual({
    status: 'error',
    response: { reason: 'a role has at most 256 characters' },
  })
})

it('shows nothing of a quick reconnect, and no ghost of who does not come back', async () => {
  const { users, connect, watch, diffs, topic, role, present } = makeRole()
  const [first = '', second = ''] = users
  const client = await connect(first)
  const other = await connect(second)
  await expect.poll(() => present()).toHaveLength(2)
  const { client: boss } = await watch()
  client.close()
  await expect.poll(() => leaving(topic)).toBe(1)
  await connect(first)
  await expect.poll(() => leaving(topic)).toBe(0)
  other.close()
  await expect.poll(() => leaving(topic)).toBe(1)
  await runInDurableObject(topic, (_topic, { storage }) => {
    storage.sql.exec('UPDATE present SET leaves_at_ms = 0 WHERE leaves_at_ms IS NOT NULL')
  })
  await runDurableObjectAlarm(topic)
  const [diff] = await diffs(boss, 1)
  expect(Object.keys(diff?.leaves ?? {})).toEqual([second])
  expect(boss.frames.filter(([, , of, event]) => of === `role:${role}` && event === 'presence_diff')).toHaveLength(1)
})

it('a shard that lost its sockets in a crash lets their users go, unless they come back', async () => {
  const { users, connect, topic, present } = makeRole()
  const [first = ''] = users
  await connect(first)
  await expect.poll(() => present()).toEqual([first])
  const shard = env.USER_SHARD.getByName(`shard-${shardOf(first, SHARDS)}`)
  await runInDurableObject(shard, (_shard, state) => {
    for (const socket of state.getWebSockets()) socket.close(1011)
    state.abort('crash')
  }).catch(() => undefined)
  await runDurableObjectAlarm(env.USER_SHARD.getByName(`shard-${shardOf(first, SHARDS)}`))
  await expect.poll(() => leaving(topic)).toBe(1)
})

async function leaving(topic: DurableObjectStub): Promise<number> {
  return runInDurableObject(
    topic,
    (_topic, { storage }) =>
      storage.sql.exec<{ count: number }>('SELECT COUNT(*) AS count FROM present WHERE leaves_at_ms IS NOT NULL').one()
        .count,
  )
}

async function tablesOf(topic: DurableObjectStub): Promise<readonly string[]> {
  return runInDurableObject(topic, (_topic, { storage }) =>
    storage.sql
      .exec<{ name: string }>(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'`,
      )
      .toArray()
      .map(({ name }) => name),
  )
}
