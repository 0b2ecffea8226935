// What publishing an event costs the server, in CPU: events to one of a hundred users, beside the bare path of the same two
// objects and two commits. The clients are in this process, which does not count.
import { cpuMicrosecondsOf } from './cpu.ts'
import { inTurns, quantileOf, quick, type Figure } from './figure.ts'
import type { Rig } from './rig.ts'

const REQUESTS = quick ? 320 : 1_600
/** The rounds differ by a quarter: a garbage collection of all of the heap comes every 1,700 events. */
const ROUNDS = quick ? 3 : 15
const USERS = 100

export async function publishing(rig: Rig): Promise<readonly Figure[]> {
  const events = `${rig.origin}/_rig/v1/events`
  const path = `${rig.origin}/bench/path`
  const measures = {
    one: () => cpuMicrosecondsOf(rig, () => postAll(events, REQUESTS / 4, 1, 1), REQUESTS / 4),
    bareOne: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS / 4, 1, 1), REQUESTS / 4),
    many: () => cpuMicrosecondsOf(rig, () => postAll(events, REQUESTS, 16, 1), REQUESTS),
    bareMany: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 16, 1), REQUESTS),
    spreadMany: () => cpuMicrosecondsOf(rig, () => postAll(path, REQUESTS, 16, 1, bareObjects), REQUESTS),
    batch: () => cpuMicrosecondsOf(rig, () => postAll(events, REQUESTS / 4, 16, 50), (REQUESTS / 4) * 50),
  }
  const taken = await inTurns(measures, ROUNDS)
  const median = (name: keyof typeof taken) => quantileOf(taken[name], 0.5)
  const row = (figure: string, rigel: number, bare: number, goal?: number): Figure => {
    return {
      figure,
      rigel,
      bare,
      unit: 'µs CPU an event',
      ...(goal === undefined ? {} : { goal }),
    }
  }
  return [
    row('one event a request, one at a time', median('one'), median('bareOne'), 1.3),
    row('one event a request, 16 at once', median('many'), median('bareMany'), 1.3),
    row('the same, beside as many objects of the bare path as of Rigel', median('many'), median('spreadMany')),
    row(
      '50 events a request, 16 at once, beside one event a request of the bare path',
      median('batch'),
      median('bareMany'),
    ),
  ]
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
