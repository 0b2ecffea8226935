// Groups of shards by a claim (issue 19): deploys add, use and remove them while events flow. Nobody misses an event, gets one
// twice, or is told of a gap. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from './clients.ts'
import { connectNdjson, connectPhoenix } from './more-clients.ts'
import { Rigel, until } from './rigel.ts'
import { produceAll } from './topic.ts'

const BROADCAST = 'groups.broadcast'
const ADDRESSED = 'groups.addressed'
const PLANS = [{ type: ADDRESSED, recipients: ['alice'] }, { type: BROADCAST }]
const RETENTION_SECONDS = 20
const EU = { name: 'eu', location: 'weur', claim: { '/region': ['eu'] } }
const REST = { name: 'rest', location: 'enam' }
/** Below are the shards of the default group. */
const FIRST_SHARD_OF_GROUPS = 1_048_576
const CHANGE_WITHIN_MS = 240_000

interface Joined {
  readonly client: Client
  /** Events of this round, and of later ones, are for it. */
  readonly since: number
}

let rigel: Rigel
const joined: Joined[] = []
let rounds = 0

before(async () => {
  rigel = await Rigel.start({ SHARDS: '2', LOG_RETENTION_SECONDS: String(RETENTION_SECONDS), RECONNECT_MS: '300' })
})

after(async () => {
  for (const { client } of joined) client.close()
  await rigel?.end()
})

void test('groups come and go: nothing lost, nothing twice, no gap', { timeout: 600_000 }, async (t) => {
  const home = await tokenOf('eu')
  const abroad = await tokenOf('us')
  await connectAll(home, false)
  await produce()

  await t.test('a group that is added takes new clients, and leaves the others where their positions are', async () => {
    const early = joined.length
    await deploy([EU, REST])
    await until('it is open', isOpen)
    await until('they are back', async () => (await groupsOfConnections()).length === early)
    assert.deepEqual(new Set(await groupsOfConnections()), new Set(['default']))
    await connectAll(home, true)
    await connectAll(abroad, true)
    const counts = Object.groupBy(await groupsOfConnections(), (group) => group)
    assert.deepEqual([counts['default']?.length, counts['eu']?.length], [early + 5, 5])
    await produce()
  })

  await t.test('a client that travels reads on in the group of its position', async () => {
    const stream = await openStream(home)
    await stream.close()
    await produce()
    const back = await openStream(abroad, stream.position)
    assert.deepEqual([stream.group, back.group, back.recovered], ['eu', 'eu', true])
    const missed = await back.until(...PLANS.map((_, plan) => `"id":"round${rounds}-${plan}/0"`))
    assert.deepEqual(missed.match(/"id":"round[^"]*"/g)?.length, PLANS.length)
    await back.close()
    const forged = await openStream(abroad, stream.position.replace(/\.\w+-/, '.0123456789ab-'))
    assert.deepEqual([forged.group, forged.recovered], ['default', false])
    await forged.close()
  })

  await t.test('a connection is found by its token, and keeps its place with a token of another region', async () => {
    const stream = await openStream(home)
    const at = `/_rig/v1/connection/sse/${stream.token}`
    const subscriptions = [{ eventType: 'groups.other' }]
    assert.equal((await put(`${at}/subscriptions`, { subscriptions }, abroad)).status, 204)
    const renewed = await put(`${at}/token`, { token: abroad }, abroad)
    assert.ok(renewed.ok, await renewed.text())
    assert.ok((await connectionTokens()).includes(stream.token))
    await stream.close()
  })

  await t.test('a session that is revoked ends in all groups', async () => {
    const tokens = [await tokenOf('eu', 'one'), await tokenOf('us', 'one')]
    const streams = await Promise.all(tokens.map((token) => openStream(token)))
    assert.deepEqual(
      streams.map(({ group }) => group),
      ['eu', 'default'],
    )
    const body = JSON.stringify({ sessionId: 'one', validityInSeconds: 60 })
    assert.equal((await internal('/v3/session-blacklist', { method: 'POST', body })).status, 201)
    await Promise.all(streams.map((stream) => stream.until('session')))
  })

  await t.test('a group that is removed gives its clients to the others', async () => {
    // A Phoenix socket has no position: it goes to another group before the removal has begun, and is told of a gap.
    for (const { client } of joined.filter((one) => one.client.name === 'phoenix of alice')) client.close()
    joined.splice(0, joined.length, ...joined.filter((one) => one.client.name !== 'phoenix of alice'))
    await deploy([REST])
    const isRemoved = async () => (await status()).phase === 'steady' && (await status()).groups.length === 1
    const removed = until('it is gone', isRemoved, CHANGE_WITHIN_MS)
    await produce()
    await produce()
    await removed
    await produce()
    await until('all are back', async () => (await groupsOfConnections()).length >= joined.length)
    assert.deepEqual(new Set(await groupsOfConnections()), new Set(['default']))
  })

  for (const { client } of joined) {
    assert.equal(idsOf(client).length, new Set(idsOf(client)).size, `${client.name}: twice`)
    assert.ok(!client.recovered.includes(false), `${client.name}: told of a gap`)
  }
  t.diagnostic(`${joined.length} clients, ${rounds * PLANS.length} events`)
})

/** One client on each transport. */
async function connectAll(token: string, withPhoenix: boolean): Promise<void> {
  const options = { origin: rigel.origin, user: 'alice', token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
  const added = [connectSse, connectRigelSocket, connectLongpolling, connectNdjson].map((connect) => connect(options))
  if (withPhoenix) added.push(connectPhoenix(options, BROADCAST, WebSocket))
  joined.push(...added.map((client) => ({ client, since: rounds + 1 })))
  await until('all are connected', () => added.every(({ recovered }) => recovered.length > 0))
  await until('all are listed', async () => (await connectionTokens()).length >= joined.length)
}

/** Publishes one round, and waits until all have it. */
async function produce(): Promise<void> {
  rounds += 1
  await produceAll(rigel.kafka, PLANS, { name: `round${rounds}`, rounds: 1, everyMs: 0 })
  const isThere = ({ client, since }: Joined) => new Set(idsOf(client)).size >= (rounds - since + 1) * PLANS.length
  const late = () => joined.filter((one) => !isThere(one)).map(({ client }) => client.name)
  await until(`all have round ${rounds}`, () => late().length === 0).catch((error: unknown) => {
    throw new Error(`${String(error)}, but not ${late().join(', ')}`)
  })
}

function idsOf({ seen }: Client): readonly string[] {
  return seen.map(({ id }) => id)
}

/** A change of the variables starts Rigel anew, as a deploy does. */
async function deploy(groups: readonly object[]): Promise<void> {
  rigel.setVariables({ SHARD_GROUPS: JSON.stringify(groups) })
  const isDeployed = async () => {
    const { variables } = (await (await internal('/v1/configuration')).json()) as {
      readonly variables: readonly { readonly name: string; readonly value: string | null }[]
    }
    return variables.some(({ name, value }) => name === 'SHARD_GROUPS' && value === JSON.stringify(groups))
  }
  await until('the variables are read', () => isDeployed().catch(() => false))
}

async function isOpen(): Promise<boolean> {
  return (await status()).groups.some(({ isOpen: isTaken, name }) => name === 'eu' && isTaken)
}

async function status() {
  return (await (await internal('/v1/shards')).json()) as {
    readonly phase: string
    readonly groups: readonly { readonly name: string; readonly isOpen: boolean }[]
  }
}

async function connectionTokens(): Promise<readonly string[]> {
  const listed = (await (await internal('/v3/connections?user=alice')).json()) as {
    readonly connections: readonly { readonly connectionToken: string }[]
  }
  return listed.connections.map(({ connectionToken }) => connectionToken)
}

async function groupsOfConnections(): Promise<readonly string[]> {
  return (await connectionTokens()).map(groupOf)
}

/** Of a connection token, or a position: both begin with the number of the shard. */
function groupOf(text: string): 'default' | 'eu' {
  return Number.parseInt(text, 10) < FIRST_SHARD_OF_GROUPS ? 'default' : 'eu'
}

function internal(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: 'Bearer a-development-token', 'content-type': 'application/json' }
  return fetch(`${rigel.origin}/_rig/api${path}`, { ...init, headers })
}

function put(path: string, body: object, token: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return fetch(rigel.origin + path, { method: 'PUT', headers, body: JSON.stringify(body) })
}

function tokenOf(region: string, session?: string): Promise<string> {
  return rigel.mintToken('alice', { region, ...(session === undefined ? {} : { jti: session }) })
}

/** An SSE stream that is read by hand. */
async function openStream(token: string, position?: string) {
  const subscriptions = JSON.stringify([{ eventType: BROADCAST }])
  const query = new URLSearchParams({ jwt: token, subscriptions, ...(position && { last_event_id: position }) })
  const ending = new AbortController()
  const response = await fetch(`${rigel.origin}/_rig/v1/connection/sse?${query}`, { signal: ending.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const read = async (...wanted: readonly string[]) => {
    while (!wanted.every((one) => text.includes(one))) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: '' }
      if (done) throw new Error(`the stream ended without ${wanted.join(', ')}: ${text}`)
      text += value
    }
    return text
  }
  await read('rig.subscriptions_set')
  const { data } = JSON.parse(/^data: ?(.*rig\.connection\.create.*)$/m.exec(text)?.[1] ?? '{}') as {
    readonly data: { readonly connection_token: string; readonly last_event_id: string; readonly recovered?: boolean }
  }
  return {
    token: data.connection_token,
    position: data.last_event_id,
    group: groupOf(data.connection_token),
    recovered: data.recovered,
    until: read,
    close: async () => {
      ending.abort()
      await until('it is gone', async () => !(await connectionTokens()).includes(data.connection_token))
    },
  }
}
