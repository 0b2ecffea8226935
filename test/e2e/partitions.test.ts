// KAFKA_PARTITIONS grows with a deploy (a kill, and a start with the same state): a topic of the embedded log gets the new partitions,
// their events are followed, and a client that comes back misses nothing. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { freePort, Rigel, until } from './rigel.ts'

const TYPE = 'partitions.counted'
const EACH = 40

let rigel: Rigel
let port: number

before(async () => {
  port = await freePort()
  rigel = await Rigel.start({ KAFKA_PARTITIONS: '1', SUBMISSION_CHECK: 'no_check' }, port)
})

after(() => rigel?.end())

interface Line {
  readonly id?: string
  readonly event: { readonly id: string; readonly type: string; readonly data?: { readonly recovered?: boolean } }
}

void test('a topic gets more partitions, and their events', { timeout: 120_000 }, async () => {
  const first = await listen()
  assert.deepEqual(await publishFrom(0), new Set([0]))
  await until('the first events', () => first.ids.length === EACH)

  await rigel.kill()
  rigel = await Rigel.start(
    { KAFKA_PARTITIONS: '4', SUBMISSION_CHECK: 'no_check' },
    port,
    'npm',
    undefined,
    rigel.folder,
  )
  assert.deepEqual(await publishFrom(EACH), new Set([0, 1, 2, 3]))
  const second = await listen(first.position())
  await until('the other events', () => second.ids.length >= EACH)
  assert.deepEqual(second.ids.toSorted(), idsFrom(EACH))
  assert.equal(second.recovered(), true)

  assert.deepEqual(await publishFrom(2 * EACH), new Set([0, 1, 2, 3]))
  await until('events of a connection that is open', () => second.ids.length >= 2 * EACH)
  assert.deepEqual(second.ids.slice(EACH).toSorted(), idsFrom(2 * EACH))
})

function idsFrom(from: number): readonly string[] {
  return Array.from({ length: EACH }, (_, n) => `${from + n}`).toSorted()
}

/** Publishes one after the other, each with a key of its own. Returns the partitions that they came to. */
async function publishFrom(from: number): Promise<ReadonlySet<number>> {
  const partitions = new Set<number>()
  for (let n = from; n < from + EACH; n += 1) {
    const event = { specversion: '1.0', id: `${n}`, source: '/test', type: TYPE, partitionkey: `key-${n}` }
    const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202)
    partitions.add(((await response.json()) as { partition: number }).partition)
  }
  return partitions
}

interface Listener {
  readonly ids: readonly string[]
  readonly position: () => string
  readonly recovered: () => boolean | undefined
}

async function listen(lastEventId?: string): Promise<Listener> {
  const parameters = new URLSearchParams({ subscriptions: JSON.stringify([{ eventType: TYPE }]) })
  if (lastEventId !== undefined) parameters.set('last_event_id', lastEventId)
  const response = await fetch(`${rigel.origin}/_rig/v1/connection/ndjson?${parameters.toString()}`)
  assert.equal(response.status, 200)
  const ids: string[] = []
  let position = ''
  let recovered: boolean | undefined
  void (async () => {
    let text = ''
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (text + part).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        const { event, id } = JSON.parse(line) as Line
        position = id ?? position
        recovered ??= event.data?.recovered
        if (event.type === TYPE) ids.push(event.id)
      }
    }
  })().catch(() => undefined)
  await until('the connection is open', () => position !== '')
  return { ids, position: () => position, recovered: () => recovered }
}
