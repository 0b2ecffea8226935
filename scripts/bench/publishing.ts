// What publishing an event costs the server, in CPU: events to one of a hundred users, beside the bare path of the same two
// objects and two commits. The clients are in this process, which does not count.
import { cpuMicrosecondsOf } from './cpu.ts'
import { inTurns, quantileOf, quick, type Figure } from './figure.ts'
import { startRig, type Rig } from './rig.ts'

/** So many that each round has its share of collections of all of the heap, which come every 1,700 events of Rigel. */
const REQUESTS = quick ? 320 : 4_000
const ROUNDS = quick ? 3 : 9
const USERS = 100

/** All events come from one address. */
const WITHOUT_BUDGET = { PUBLISH_EVENTS_PER_SECOND: '1000000', PUBLISH_BYTES_PER_SECOND: '1000000000' }

/** Each part has a workerd of its own: the garbage of one, which a collection of all of the heap finds later, is nothing that another pays. */
export async function publishing(): Promise<readonly Figure[]> {
  return [...(await onRig(one)), ...(await onRig(many)), ...(await onRig(batches))]
}

async function onRig(measure: (rig: Rig, urls: Urls) => Promise<readonly Figure[]>): Promise<readonly Figure[]> {
  const rig = await startRig(WITHOUT_BUDGET)
  try {
    return await measure(rig, { events: `${rig.origin}/_rig/v1/events`, path: `${rig.origin}/bench/path` })
  } finally {
    rig.stop()
  }
}

interface Urls {
  readonly events: string
  readonly path: string
}

async function one(rig: Rig, { events, path }: Urls): Promise<readonly Figure[]> {
  const measures = {
    rigel: () => cpuMicrosecondsOf(rig, () => postAll(events, REQUESTS, 1, 1), REQUESTS),
    bare: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 1, 1), REQUESTS),
  }
  const { bare, rigel } = await inTurns(measures, ROUNDS)
  return [row('one event a request, one at a time', rigel, bare, 1.3)]
}

async function many(rig: Rig, { events, path }: Urls): Promise<readonly Figure[]> {
  const measures = {
    rigel: () => cpuMicrosecondsOf(rig, () => postAll(events, REQUESTS, 16, 1), REQUESTS),
    bare: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 16, 1), REQUESTS),
    spread: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 16, 1, bareObjects), REQUESTS),
  }
  const { bare, rigel, spread } = await inTurns(measures, ROUNDS)
  return [
    row('one event a request, 16 at once', rigel, bare, 1.3),
    row('the same, beside as many objects of the bare path as of Rigel', rigel, spread),
  ]
}

async function batches(rig: Rig, { events, path }: Urls): Promise<readonly Figure[]> {
  const requests = REQUESTS / 4
  const measures = {
    rigel: () => cpuMicrosecondsOf(rig, () => postAll(events, requests, 16, 50), requests * 50),
    bare: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 16, 1), REQUESTS),
  }
  const { bare, rigel } = await inTurns(measures, ROUNDS)
  return [row('50 events a request, 16 at once, beside one event a request of the bare path', rigel, bare)]
}

function row(figure: string, rigel: readonly number[], bare: readonly number[], goal?: number): Figure {
  return {
    figure,
    rigel: quantileOf(rigel, 0.5),
    bare: quantileOf(bare, 0.5),
    unit: 'µs CPU an event',
    ...(goal === undefined ? {} : { goal }),
  }
}

let published = 0

/** Which objects of the bare path an event goes to: there are as many as partitions and shards of Rigel, one and four. */
function bareObjects(): string {
  return `?objects=log-0,shard-${published % 4}`
}

async function postAll(
  url: string,
  requests: number,
  atOnce: number,
  batch: number,
  queryOf = () => '',
): Promise<void> {
  const headers = { 'content-type': `application/cloudevents${batch > 1 ? '-batch' : ''}+json` }
  const sender = async () => {
    for (let request = 0; request < requests / atOnce; request += 1) {
      const events = Array.from({ length: batch }, newEvent)
      const body = JSON.stringify(batch > 1 ? events : events[0])
      const response = await fetch(`${url}${queryOf()}`, { method: 'POST', headers, body })
      if (response.status !== 202) throw new Error(`${url}: ${response.status} ${await response.text()}`)
      await response.text()
    }
  }
  await Promise.all(Array.from({ length: atOnce }, sender))
}

function newEvent(): object {
  published += 1
  const data = { recipients: [`u${published % USERS}`], text: 'x'.repeat(80) }
  return { specversion: '1.0', id: `${published}`, source: '/bench', type: 'm', data }
}
