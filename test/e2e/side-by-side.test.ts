// Two versions of Rigel side by side, as in every deploy: the Worker of one calls the objects of the other, and objects call
// each other, while events flow. Nothing is lost, nothing comes twice, and nobody is told of a gap. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Kafka } from '@upstash/kafka'
import { LongPoll } from 'phoenix'
import { WebSocket } from 'ws'
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from './clients.ts'
import { connectNdjson, connectPhoenix } from './more-clients.ts'
import { sleep, until } from './rigel.ts'
import { producedFor, produceAll, readAll, type Plan } from './topic.ts'
import { TwoVersions, type Mix, type Version } from './two-versions.ts'

const BROADCAST = 'versions.broadcast'
const ADDRESSED = 'versions.addressed'
const EVERY_MS = 250
/** What each client sees of one mix before the next. */
const EVENTS_PER_MIX = 12
const INTERNAL = { authorization: 'Bearer a-development-token', 'content-type': 'application/json' }

const users = ['alice', 'bob', 'carol', 'dave']
const PLANS: readonly Plan[] = [
  { type: ADDRESSED, recipients: users.slice(0, 2) },
  { type: ADDRESSED, recipients: users.slice(1) },
  { type: BROADCAST },
]

const mixOf = (worker: Version, shards: Version, others: Version): Mix => ({ worker, shards, others })
/** An upgrade by way of each mix, and back. */
const MIXES: readonly Mix[] = [
  mixOf('previous', 'previous', 'previous'),
  mixOf('this', 'previous', 'previous'),
  mixOf('this', 'this', 'previous'),
  mixOf('this', 'previous', 'this'),
  mixOf('this', 'this', 'this'),
  mixOf('previous', 'this', 'this'),
  mixOf('previous', 'this', 'previous'),
  mixOf('previous', 'previous', 'this'),
]

let rigel: TwoVersions
const clients: Client[] = []

before(async () => {
  rigel = await TwoVersions.create({ SHARDS: '3', RECONNECT_MS: '300' })
})

after(async () => {
  for (const client of clients) client.close()
  await rigel?.end()
})

void test('the version before and this one lose nothing together', { timeout: 400_000 }, async (t) => {
  const kafka = new Kafka({ url: `${rigel.origin}/_rig/kafka`, username: 'rigel', password: 'development' })
  const over = new AbortController()
  let producing: Promise<void> | undefined
  try {
    for (const mix of MIXES) {
      const name = JSON.stringify(mix)
      await rigel.run(mix)
      await until(`${name}: health`, () => isHealthy())
      if (clients.length === 0) {
        await connectAll()
        await until('every client is connected', () => clients.every(({ recovered }) => recovered.length > 0))
        producing = produceUntil(kafka, over.signal)
      }
      const seen = clients.map((client) => client.seen.length)
      await until(`${name}: events flow`, () =>
        clients.every((client, index) => client.seen.length >= (seen[index] ?? 0) + EVENTS_PER_MIX),
      )
      await useOnce(mix)
    }
  } finally {
    over.abort()
  }
  await producing
  const all = await readAll(kafka)
  const found = { lost: 0, twice: 0, gaps: 0 }
  for (const client of clients) await check(client, all, found)
  t.diagnostic(`${MIXES.length} mixes, ${clients.length} clients, ${all.length} events: ${JSON.stringify(found)}`)
  assert.deepEqual(found, { lost: 0, twice: 0, gaps: 0 })
})

async function connectAll(): Promise<void> {
  for (const [index, user] of users.entries()) {
    const token = await mintToken({ user })
    const options = { origin: rigel.origin, user, token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
    clients.push(connectSse(options), connectRigelSocket(options), connectLongpolling(options), connectNdjson(options))
    clients.push(connectPhoenix(options, BROADCAST, index % 2 === 0 ? WebSocket : LongPoll))
  }
}

async function produceUntil(kafka: Kafka, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1)
    await produceAll(kafka, PLANS, { name: `round${round}`, rounds: 1, everyMs: EVERY_MS })
}

/** What crosses from the Worker to objects and back besides connections: subscriptions, revocation, lists, the shard map. */
async function useOnce(mix: Mix): Promise<void> {
  const session = `session of ${JSON.stringify(mix)}`
  const token = await mintToken({ user: 'erin', jti: session })
  const opened = await fetch(
    `${rigel.origin}/_rig/v1/connection/longpolling?jwt=${token}&connection_token=&last_event_id=`,
  )
  assert.equal(opened.status, 200)
  const { connection_token: connection } = (await opened.json()) as { connection_token: string }
  const put = await fetch(`${rigel.origin}/_rig/v1/connection/longpolling/${connection}/subscriptions`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ subscriptions: [{ eventType: `type of ${session}` }] }),
  })
  assert.equal(put.status, 204, await put.text())
  assert.equal(await statusOf('/v3/session-blacklist', { sessionId: session, validityInSeconds: 600 }), 201)
  const refused = await fetch(`${rigel.origin}/_rig/v1/connection/longpolling?jwt=${token}`)
  assert.equal(refused.status, 401)
  for (const path of ['/v1/shards', '/v3/followers', '/v3/apis', '/metrics', '/v1/topics'])
    assert.equal(await statusOf(path), 200, path)
}

async function statusOf(path: string, body?: object): Promise<number> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  return (await fetch(`${rigel.origin}/_rig/api${path}`, { ...init, headers: INTERNAL })).status
}

async function isHealthy(): Promise<boolean> {
  const response = await fetch(`${rigel.origin}/_rig/api/health`, { headers: INTERNAL }).catch(() => undefined)
  return response?.ok ?? false
}

async function mintToken(body: object): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const url = `${rigel.origin}/_rig/dev/token`
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  return ((await response.json()) as { token: string }).token
}

async function check(
  { name, recovered, seen, types, user }: Client,
  all: Awaited<ReturnType<typeof readAll>>,
  found: { lost: number; twice: number; gaps: number },
): Promise<void> {
  const counts = new Map<string, number>()
  for (const { id } of producedFor(all, user, types)) counts.set(id, (counts.get(id) ?? 0) + 1)
  const wanted = [...counts.values()].reduce((sum, count) => sum + count, 0)
  for (let tries = 0; seen.length < wanted && tries < 100; tries += 1) await sleep(100)
  for (const { id } of seen) counts.set(id, (counts.get(id) ?? 0) - 1)
  const missing = [...counts.values()]
  const own = {
    lost: missing.filter((count) => count > 0).length,
    twice: missing.filter((count) => count < 0).length,
    gaps: recovered.filter((one) => one === false).length,
  }
  if (own.lost + own.twice + own.gaps > 0) console.error(name, JSON.stringify(own))
  found.lost += own.lost
  found.twice += own.twice
  found.gaps += own.gaps
}
