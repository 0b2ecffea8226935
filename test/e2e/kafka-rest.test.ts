// Rigel over each dialect of the REST Proxy v2 family: posted, stored by the proxy, followed, and seen by a browser's
// client, each event once and in order, while the proxy is restarted and loses its instances. The proxy is the stand-in
// of scripts/kafka/bridge.ts. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BridgeDialect } from '../../scripts/kafka/bridge-options.ts'
import { createBridge, type Bridge } from '../../scripts/kafka/bridge.ts'
import { MemoryBackend } from '../../scripts/kafka/memory-backend.ts'
import { connectSse } from './clients.ts'
import { Rigel, sleep, until } from './rigel.ts'

const TYPE = 'e2e.rest'
const EVENTS = 120

for (const dialect of ['redpanda', 'confluent', 'karapace', 'strimzi'] as const) {
  void test(`events by ${dialect}, through a restart and lost instances`, { timeout: 180_000 }, async (t) => {
    const bridge = await startBridge(dialect)
    const rigel = await Rigel.start({
      KAFKA_REST_URL: `http://127.0.0.1:${bridge.port}`,
      KAFKA_AUTO_OFFSET_RESET: 'earliest',
    })
    t.after(() => rigel.end())
    const client = connectSse({ origin: rigel.origin, user: null, token: null, types: [TYPE], addressedTypes: [] })
    t.after(() => client.close())
    await until('the client is connected', () => client.recovered.length > 0)

    const producing = postAll(rigel.origin)
    await until('events flow', () => client.seen.length >= 20)
    bridge.loseInstances()
    await until('they flow again', () => client.seen.length >= 50)
    await bridge.stop()
    await sleep(1_000)
    await bridge.start()
    const posted = await producing

    await until('all is seen', () => client.seen.length >= posted.length, 60_000).catch(() => undefined)
    await sleep(1_000)
    const seen = client.seen.map(({ id }) => id)
    // What was posted again, since its answer was lost, may be in the log twice: then it is seen twice.
    assert.deepEqual(new Set(seen), new Set(posted), rigel.output.slice(-3_000))
    for (const key of ['a', 'b', 'c']) {
      const own = [...new Set(seen)].filter((id) => id.startsWith(key))
      assert.deepEqual(own, own.toSorted(byNumber))
    }
    t.diagnostic(`${posted.length} posted, ${seen.length} seen, ${bridge.requests.length} requests`)
    t.diagnostic(`instances made: ${made(bridge)}, alive: ${bridge.instances()}`)
  })
}

async function startBridge(dialect: BridgeDialect): Promise<Bridge> {
  const backend = new MemoryBackend()
  for (const topic of ['rig', 'rig-dead-letter', 'rig-proxy-response']) backend.createTopic(topic, 2)
  return createBridge(backend, { dialect })
}

/** Each again until it is taken: answers their ids. */
async function postAll(origin: string): Promise<readonly string[]> {
  const ids: string[] = []
  for (let n = 0; n < EVENTS; n += 1) {
    const key = ['a', 'b', 'c'][n % 3] ?? ''
    const id = `${key}-${n}`
    const event = { specversion: '1.0', id, source: '/e2e', type: TYPE, partitionkey: key, data: { key, n } }
    const body = JSON.stringify(event)
    const headers = { 'content-type': 'application/cloudevents+json' }
    const post = () => fetch(`${origin}/_rig/v1/events`, { method: 'POST', headers, body }).catch(() => undefined)
    while ((await post())?.status !== 202) await sleep(200)
    ids.push(id)
    await sleep(20)
  }
  return ids
}

function byNumber(a: string, b: string): number {
  return Number(a.slice(2)) - Number(b.slice(2))
}

function made({ requests }: Bridge): number {
  return requests.filter(({ method, path }) => method === 'POST' && /^\/consumers\/[^/]+$/.test(path)).length
}
