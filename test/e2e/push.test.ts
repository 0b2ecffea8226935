// A connector that pushes as Kafka Connect does: batches in order, each until it is answered by 2xx, and from its last
// commit after it was restarted itself. Rigel is killed in mid-stream, twice; each event is stored, and seen, once.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connectRigelSocket, connectSse, type Client } from './clients.ts'
import { Rigel, sleep, until } from './rigel.ts'
import { readAll } from './topic.ts'

const TYPE = 'e2e.pushed'
const PARTITIONS = 3
const RECORDS = 1_200
const BATCH_SIZE = 20
/** Kafka Connect commits by time; here by batches: what a restart sends again. */
const COMMIT_EVERY_BATCHES = 7
const RESTART_EVERY_BATCHES = 12
const PAUSE_MS = 40
const KILL_AT = [300, 700]

let rigel: Rigel
const clients: Client[] = []

before(async () => {
  rigel = await Rigel.start()
})

after(async () => {
  for (const client of clients) client.close()
  await rigel?.end()
})

void test(
  'a connector is restarted, Rigel is killed twice: nothing is lost, nothing twice, order is kept',
  { timeout: 300_000 },
  async (t) => {
    const token = await rigel.mintToken('connector')
    const options = { origin: rigel.origin, user: null, token: null, types: [TYPE], addressedTypes: [] }
    clients.push(connectSse(options), connectRigelSocket(options))
    await until('both clients are connected', () => clients.every(({ recovered }) => recovered.length > 0))

    const pushing = makeConnector(token)
    const done = pushing.run()
    for (const at of KILL_AT) {
      await until(`${at} records are pushed`, () => pushing.progress() >= at)
      assert.ok(pushing.progress() < RECORDS, 'the kill is in mid-stream')
      await rigel.kill()
      await rigel.start()
    }
    await done
    t.diagnostic(
      `${pushing.counts.requests} requests, ${pushing.counts.failures} failed, ${pushing.counts.duplicates} duplicates`,
    )
    assert.ok(pushing.counts.failures > 0 && pushing.counts.duplicates > 0, 'there was something to survive')

    const stored = (await readAll(rigel.kafka)).filter(({ type }) => type === TYPE)
    isExactly('the log', stored)
    for (const client of clients) {
      await until(`${client.name} has everything`, () => client.seen.length >= RECORDS).catch(() => {})
      isExactly(client.name, client.seen)
      assert.ok(!client.recovered.includes(false), `${client.name} was told of a gap`)
    }
  },
)

function isExactly(
  who: string,
  events: readonly { readonly data: { readonly key: string; readonly n: number } }[],
): void {
  const numbers = events.map(({ data }) => data.n)
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    Array.from({ length: RECORDS }, (_, n) => n),
    who,
  )
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const order = events.filter(({ data }) => data.key === `p${partition}`).map(({ data }) => data.n)
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
      `${who}: order of partition ${partition}`,
    )
  }
}

/** A value as Kafka Connect's JsonConverter and InsertField leave it. */
function toValue(n: number) {
  const kafkapartition = (n * 7) % PARTITIONS
  const position = { kafkatopic: 'orders', kafkapartition, kafkaoffset: n * 2 }
  return {
    ...position,
    specversion: '1.0',
    id: 'one for all',
    source: '/orders',
    type: TYPE,
    data: { key: `p${kafkapartition}`, n },
  }
}

function makeConnector(token: string) {
  const counts = { requests: 0, failures: 0, duplicates: 0 }
  let [committed, next, batches] = [0, 0, 0]
  const post = async (from: number, to: number): Promise<boolean> => {
    counts.requests += 1
    const body = JSON.stringify(Array.from({ length: to - from }, (_, index) => toValue(from + index)))
    const headers = { 'content-type': 'application/cloudevents-batch+json', authorization: `Bearer ${token}` }
    const request = fetch(`${rigel.origin}/_rig/v1/events?connector=e2e`, { method: 'POST', headers, body })
    const response = await request.catch(() => undefined)
    if (response?.status !== 202) return false
    const places = (await response.json().catch(() => [])) as readonly { readonly duplicate?: true }[]
    counts.duplicates += places.filter(({ duplicate }) => duplicate).length
    return places.length === to - from
  }
  const run = async (): Promise<void> => {
    while (next < RECORDS) {
      // Cut anew each time, so that batches overlap after a restart.
      const end = Math.min(RECORDS, next + 1 + ((batches * 13) % BATCH_SIZE))
      while (!(await post(next, end))) {
        counts.failures += 1
        await sleep(300)
      }
      next = end
      batches += 1
      if (batches % COMMIT_EVERY_BATCHES === 0) committed = next
      if (batches % RESTART_EVERY_BATCHES === 0) next = committed
      await sleep(PAUSE_MS)
    }
  }
  return { run, counts, progress: () => next }
}
