// The main job as a user meets it (issue 2, section 5, item 9): producers and consumers outside, every transport, a page
// in Chromium, and SIGKILL in mid-stream, twice. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openBrowser, type Browsing } from './browser.ts'
import { connectLongpolling, connectPlainSocket, connectRigelSocket, connectSse, gate, type Client } from './clients.ts'
import { Rigel, sleep, until } from './rigel.ts'
import { producedFor, produceAll, readAll, TOPIC, type Plan, type Produced } from './topic.ts'

const STEADY = { name: 'steady', rounds: 60, everyMs: 100 }
/** What is produced while every client is away. */
const AWAY_ROUNDS = 5
const KILLS = 2
/** Every client has seen so many before the first kill, and twice as many before the second. */
const KILL_AFTER_EVENTS = 12
const BROADCAST = 'e2e.broadcast'
const ADDRESSED = 'e2e.addressed'
const OTHER = 'e2e.other'

const PLANS: readonly Plan[] = [
  { type: ADDRESSED, recipients: ['alice'] },
  { type: ADDRESSED, recipients: ['bob'] },
  { type: ADDRESSED, recipients: ['alice', 'bob', 'carol'] },
  { type: ADDRESSED, recipients: ['carol'] },
  { type: BROADCAST },
  { type: OTHER },
]

let rigel: Rigel
let browsing: Browsing
const clients: Client[] = []

before(async () => {
  rigel = await Rigel.start()
  browsing = await openBrowser()
})

after(async () => {
  for (const client of clients) client.close()
  await browsing?.close()
  await rigel?.end()
})

void test(
  'what each client saw through two kills is exactly what was produced for it',
  { timeout: 400_000 },
  async (t) => {
    const page = await browsing.open(`${rigel.origin}/_rig/`)
    for (const user of ['alice', 'bob', null]) await connectAll(user, page)
    await until('every client is connected', () => clients.every((client) => client.recovered.length > 0))

    const group = consumeGroup()
    t.after(() => group.end())
    let isProducing = true
    const producing = produceAll(rigel.kafka, PLANS, STEADY).finally(() => (isProducing = false))
    for (let kill = 0; kill < KILLS; kill++) {
      await until('events flow', () => clients.every((client) => client.seen.length >= KILL_AFTER_EVENTS * (kill + 1)))
      assert.ok(isProducing, 'the kill is in mid-stream')
      await away(page, async () => {
        await rigel.kill()
        await rigel.start()
        await produceAll(rigel.kafka, PLANS, { name: `away${kill}`, rounds: AWAY_ROUNDS, everyMs: 0 })
      })
    }
    await producing

    const all = await readAll(rigel.kafka)
    assert.ok(
      all.length >= (STEADY.rounds + KILLS * AWAY_ROUNDS) * PLANS.length,
      'the log holds everything that was acknowledged',
    )
    for (const client of clients) {
      await sawExactly(client, all)
      t.diagnostic(`${client.name}: ${client.seen.length} events, connected ${client.recovered.length} times`)
    }
    await t.test('a consumer group has read the whole topic', async () => {
      const missing = () => all.filter(({ id }) => !group.ids.has(id)).map(({ id }) => id)
      await until('nothing is missing', () => missing().length === 0, 10_000).catch(() => {})
      assert.deepEqual(missing(), [])
    })
  },
)

/** Nobody is connected from the kill on until the end of `run`: not even Chromium, which is offline. */
async function away(page: Page, run: () => Promise<void>): Promise<void> {
  gate.isOpen = false
  await page.context().setOffline(true)
  const connected = clients.map((client) => client.recovered.length)
  await run()
  const cameBack = clients.filter((client, index) => client.recovered.length !== connected[index])
  assert.deepEqual(
    cameBack.map(({ name }) => name),
    [],
    'everybody was away',
  )
  gate.isOpen = true
  await page.context().setOffline(false)
}

async function connectAll(user: string | null, page: Page): Promise<void> {
  const token = user === null ? null : await rigel.mintToken(user)
  const options = { origin: rigel.origin, user, token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
  clients.push(
    connectSse(options),
    connectRigelSocket(options),
    connectPlainSocket(options),
    connectLongpolling(options),
  )
  clients.push(await browsing.connectSse(page, options), await browsing.connectSocket(page, options))
}

/** Each event as often as it was produced; those of one key in their order; and never a gap that was admitted. */
async function sawExactly(client: Client, all: readonly Produced[]): Promise<void> {
  const expected = producedFor(all, client.user, client.types).map(({ id }) => id)
  const wanted = client.name.startsWith('plain') ? [...new Set(expected)] : expected
  await until(`${client.name} has everything`, () => client.seen.length >= wanted.length).catch(() => {})
  const seen = client.seen.map(({ id }) => id)
  assert.deepEqual(seen.toSorted(), wanted.toSorted(), client.name)
  for (const key of new Set(client.seen.map(({ data }) => data.key))) {
    const order = client.seen.filter(({ data }) => data.key === key).map(({ data }) => data.n)
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      `${client.name}: order of ${key}`,
    )
  }
  assert.ok(!client.recovered.includes(false), `${client.name} was told of a gap`)
}

/** A consumer group that commits what it has handled: at least once, so ids may repeat. */
function consumeGroup() {
  const consumer = rigel.kafka.consumer()
  const group = { consumerGroupId: 'e2e', instanceId: 'one' }
  const ids = new Set<string>()
  const ending = new AbortController()
  const consuming = (async () => {
    while (!ending.signal.aborted) {
      try {
        const messages = await consumer.consume({
          ...group,
          topics: [TOPIC],
          timeout: 500,
          autoCommit: false,
          autoOffsetReset: 'earliest',
        })
        for (const { value } of messages) ids.add((JSON.parse(value) as Produced).id)
        if (messages.length > 0) await consumer.commit(group)
      } catch {
        await sleep(300)
      }
    }
  })()
  return {
    ids,
    end: () => {
      ending.abort()
      return consuming
    },
  }
}
