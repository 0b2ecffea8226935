// The number of shards changes while events flow and the process is killed (issue 19): 480 clients on six transports, 4 → 8
// → 3 shards. Nobody misses an event, gets one twice, or is told of a gap. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LongPoll } from 'phoenix'
import { WebSocket } from 'ws'
import { connectLongpolling, connectPlainSocket, connectRigelSocket, connectSse, type Client } from './clients.ts'
import { connectNdjson, connectPhoenix } from './more-clients.ts'
import { Rigel, until } from './rigel.ts'
import { producedFor, produceAll, readAll, type Plan } from './topic.ts'

const USERS = 80
/** Users that one event is addressed to. */
const GROUP = 20
const BROADCAST = 'growing.broadcast'
const ADDRESSED = 'growing.addressed'
/** Longer than a kill and a start take. */
const RETENTION_SECONDS = 30
const EVERY_MS = 500
/** A change takes the retention, and a kill in each of its phases is a start more. */
const CHANGE_WITHIN_MS = 240_000

const users = Array.from({ length: USERS }, (_, n) => `user-${n}`)
const PLANS: readonly Plan[] = [
  ...Array.from({ length: USERS / GROUP }, (_, group) => ({
    type: ADDRESSED,
    recipients: users.slice(group * GROUP, (group + 1) * GROUP),
  })),
  { type: BROADCAST },
]

let rigel: Rigel
const clients: Client[] = []

before(async () => {
  rigel = await Rigel.start({
    SHARDS: '4',
    LOG_RETENTION_SECONDS: String(RETENTION_SECONDS),
    RECONNECT_MS: '300',
    WEBSOCKET_HEARTBEAT_SECONDS: '1',
  })
})

after(async () => {
  for (const client of clients) client.close()
  await rigel?.end()
})

void test(
  '4 → 8 → 3 shards, with kills: nothing lost, nothing twice, no false gap',
  { timeout: 900_000 },
  async (t) => {
    for (const [index, user] of users.entries()) await connectAll(user, index)
    await until('every client is connected', () => clients.every(({ recovered }) => recovered.length > 0))
    const over = new AbortController()
    const producing = (async () => {
      for (let round = 0; !over.signal.aborted; round += 1)
        await produceAll(rigel.kafka, PLANS, { name: `round${round}`, rounds: 1, everyMs: EVERY_MS })
    })()
    let longestMs = 0
    for (const shards of [8, 3]) {
      const startedMs = Date.now()
      await request('PUT', { shards })
      for (const phase of ['adopting', 'writing_both', 'moving', 'ending']) {
        await until(`${shards} shards: ${phase}`, async () => isPast(await status(), phase, shards), CHANGE_WITHIN_MS)
        const killedMs = Date.now()
        await rigel.kill()
        await rigel.start()
        // One outage must be shorter than the retention: the next kill comes when all clients are back.
        const areBack = clients.map(isBackFrom)
        await until('events flow', () => areBack.every((isBack) => isBack()))
        longestMs = Math.max(longestMs, Date.now() - killedMs)
      }
      await until(
        `${shards} shards`,
        async () => {
          const now = await status()
          return now?.phase === 'steady' && now.shards === shards
        },
        CHANGE_WITHIN_MS,
      )
      t.diagnostic(`${shards} shards after ${Math.round((Date.now() - startedMs) / 1_000)} s`)
    }
    over.abort()
    await producing
    t.diagnostic(`outages of ${(longestMs / 1_000).toFixed(1)} s at most`)
    // Gaps would be true ones.
    assert.ok(
      longestMs < RETENTION_SECONDS * 1_000,
      'this machine is too slow: an outage was longer than the retention',
    )
    const all = await readAll(rigel.kafka)
    const found = { lost: 0, twice: 0, gaps: 0, seen: 0 }
    for (const client of clients) await check(client, all, found)
    t.diagnostic(`${clients.length} clients, ${all.length} events: ${JSON.stringify(found)}`)
    assert.deepEqual({ ...found, seen: 0 }, { lost: 0, twice: 0, gaps: 0, seen: 0 })
  },
)

async function connectAll(user: string, index: number): Promise<void> {
  const token = await rigel.mintToken(user)
  const options = { origin: rigel.origin, user, token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
  clients.push(connectSse(options), connectRigelSocket(options), connectLongpolling(options), connectNdjson(options))
  clients.push(connectPlainSocket(options))
  clients.push(connectPhoenix(options, BROADCAST, index % 2 === 0 ? WebSocket : LongPoll))
}

async function check(
  { name, recovered, seen, types, user }: Client,
  all: Awaited<ReturnType<typeof readAll>>,
  found: { lost: number; twice: number; gaps: number; seen: number },
): Promise<void> {
  const wanted = producedFor(all, user, types).map(({ id }) => id)
  await until(`${name} has everything`, () => seen.length >= wanted.length, 20_000).catch(() => undefined)
  const counts = new Map<string, number>()
  for (const { id } of seen) counts.set(id, (counts.get(id) ?? 0) + 1)
  const expected = new Map<string, number>()
  for (const id of wanted) expected.set(id, (expected.get(id) ?? 0) + 1)
  for (const [id, times] of expected) found.lost += Math.max(0, times - (counts.get(id) ?? 0))
  for (const [id, times] of counts) found.twice += Math.max(0, times - (expected.get(id) ?? 0))
  found.gaps += recovered.filter((one) => one === false).length
  found.seen += seen.length
  if (found.lost + found.twice + found.gaps > 0) console.error(name, JSON.stringify(found))
}

/** Returns whether its position has moved since this call; each of its positions: of Phoenix, each channel has one. */
function isBackFrom({ position, seen }: Client): () => boolean {
  const [from, left] = [seen.length, position?.()]
  const hasSeen = (wanted: string) => seen.slice(from).some(({ type }) => type === wanted)
  return () => hasSeen(ADDRESSED) && hasSeen(BROADCAST) && (position === undefined || position() !== left)
}

interface Status {
  readonly phase: string
  readonly shards: number
  readonly wanted: number
  readonly to: number | null
}

const PHASES = ['adopting', 'writing_both', 'moving', 'ending', 'steady']

/** Whether the change to `shards` has come to this phase. */
function isPast(now: Status | undefined, phase: string, shards: number): boolean {
  if (now === undefined || now.wanted !== shards) return false
  const isSteady = now.phase === 'steady'
  if (isSteady) return now.shards === shards
  return now.to === shards && PHASES.indexOf(now.phase) >= PHASES.indexOf(phase)
}

async function status(): Promise<Status | undefined> {
  return (await request('GET').catch(() => undefined)) as Status | undefined
}

async function request(method: string, body?: object): Promise<unknown> {
  const headers = { authorization: 'Bearer a-development-token', 'content-type': 'application/json' }
  const response = await fetch(`${rigel.origin}/_rig/api/v1/shards`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${method} shards: ${response.status} ${await response.text()}`)
  return response.json()
}
