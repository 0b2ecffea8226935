// `npm run bench -- bill`: what Cloudflare would bill for each step, counted at the runtime's own objects (counting.ts), and
// compared with the table of docs/cost.md. Exits 1 if they differ: either the code costs something else than before, or the
// page is out of date. Four shards and, unless a step says otherwise, one partition that has been used before.
import { readFileSync } from 'node:fs'
import { WebSocket } from 'ws'
import { ANY, postEvents, startRig, type Rig } from './rig.ts'

const TABLE = 'docs/cost.md'

/** What counting.ts has counted, by class of object. */
interface ClassCounts {
  readonly requests: number
  readonly rowsWritten: number
  readonly rowsRead: number
}

/** Sums over all objects. */
interface Bill {
  readonly requests: number
  readonly rowsWritten: number
}

interface Step {
  readonly name: string
  /** What is counted is divided by this. */
  readonly times: number
  run(rig: Rig): Promise<void>
}

/** Prints the table, and returns whether it is that of docs/cost.md. */
export async function bill(): Promise<boolean> {
  const variables = { COUNT: '1', KAFKA_PARTITIONS: '1', KAFKA_SOURCE_TOPICS: 'rig', METRICS_PUSH_SECONDS: '0' }
  const rig = await startRig(variables)
  const counted = new Map<string, Bill>()
  try {
    for (const step of steps) counted.set(step.name, await count(rig, step))
  } finally {
    rig.stop()
  }
  const stated = readTable(readFileSync(TABLE, 'utf8'))
  const rows = [...counted].map(([step, { requests, rowsWritten }]) => {
    const page = stated.get(step)
    const isSame = page !== undefined && isNear(page.requests, requests) && isNear(page.rowsWritten, rowsWritten)
    return { step, requests: round(requests), 'rows written': round(rowsWritten), 'as docs/cost.md': isSame }
  })
  console.table(rows)
  const unknown = [...stated.keys()].filter((step) => !counted.has(step))
  for (const step of unknown) console.log(`${TABLE}: "${step}" is not counted`)
  return unknown.length === 0 && rows.every((row) => row['as docs/cost.md'])
}

const event = (n: number, recipients: readonly string[] | null) => ({
  specversion: '1.0',
  id: `${n}`,
  source: '/bench',
  type: 'bill',
  data: { text: 'x'.repeat(80), ...(recipients === null ? {} : { recipients }) },
})

const users = (howMany: number) => Array.from({ length: howMany }, (_, n) => `user-${n}`)
const subscriptions = `subscriptions=${ANY('bill')}`

let made = 0

const steps: readonly Step[] = [
  { name: 'a Server-Sent Events connection', times: 10, run: (rig) => tenTimes(() => openSse(rig)) },
  { name: 'a WebSocket connection', times: 10, run: (rig) => tenTimes(() => openSocket(rig)) },
  {
    name: 'an event to one user',
    times: 10,
    run: (rig) => tenTimes(() => postEvents(rig, [event(made++, ['user-1'])])),
  },
  {
    name: 'an event to ten users, on four shards',
    times: 10,
    run: (rig) => tenTimes(() => postEvents(rig, [event(made++, users(10))])),
  },
  {
    name: 'an event to everybody, on four shards',
    times: 10,
    run: (rig) => tenTimes(() => postEvents(rig, [event(made++, null)])),
  },
  {
    name: '50 events in one request, to 50 users on four shards',
    times: 10,
    run: (rig) =>
      tenTimes(() =>
        postEvents(
          rig,
          users(50).map((user) => event(made++, [user])),
        ),
      ),
  },
  { name: 'an event to everybody, and a long-poll that it answers', times: 10, run: longPoll },
  { name: 'new subscriptions, to a type that was not followed', times: 10, run: resubscribe },
]

/** The step runs once before it is counted: what is made for the first time is not what it costs from then on. */
async function count(rig: Rig, step: Step): Promise<Bill> {
  await step.run(rig)
  await untilQuiet(rig)
  await fetch(`${rig.origin}/bench/counts/reset`)
  await step.run(rig)
  const taken = await untilQuiet(rig)
  const sum = (what: keyof ClassCounts) => Object.values(taken).reduce((total, one) => total + one[what], 0)
  return { requests: sum('requests') / step.times, rowsWritten: sum('rowsWritten') / step.times }
}

/** What is answered is still delivered, and the checkpoint stored a second later. */
async function untilQuiet(rig: Rig): Promise<Record<string, ClassCounts>> {
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  return (await (await fetch(`${rig.origin}/bench/counts`)).json()) as Record<string, ClassCounts>
}

async function tenTimes(work: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < 10; n += 1) await work()
}

async function openSse(rig: Rig): Promise<void> {
  const response = await fetch(`${rig.origin}/_rig/v1/connection/sse?${subscriptions}`)
  const reader = response.body?.getReader()
  await reader?.read()
}

async function openSocket(rig: Rig): Promise<void> {
  const socket = new WebSocket(`${rig.wsOrigin}/_rig/v1/connection/ws?${subscriptions}`)
  await new Promise((resolve, reject) => {
    socket.once('message', resolve)
    socket.once('error', reject)
  })
}

let cookie = ''

/** Each poll is answered at once, with the event that was published before it. */
async function longPoll(rig: Rig): Promise<void> {
  const url = `${rig.origin}/_rig/v1/connection/longpolling?${subscriptions}`
  for (let n = 0; n < 10; n += 1) {
    await postEvents(rig, [event(made++, null)])
    const polled = await fetch(url, { headers: { cookie } })
    const cookies = polled.headers.getSetCookie().map((one) => one.split(';')[0])
    if (cookies.length > 0) cookie = cookies.join('; ')
    await polled.text()
  }
}

async function resubscribe(rig: Rig): Promise<void> {
  const response = await fetch(`${rig.origin}/_rig/v1/connection/sse`)
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('connection_token')) text += (await reader?.read())?.value ?? ''
  const token = /"connection_token":"([^"]+)"/.exec(text)?.[1] ?? ''
  await tenTimes(async () => {
    made += 1
    const body = JSON.stringify({ subscriptions: [{ eventType: `type-${made}` }] })
    const headers = { 'content-type': 'application/json' }
    const put = await fetch(`${rig.origin}/_rig/v1/connection/sse/${token}/subscriptions`, {
      method: 'PUT',
      headers,
      body,
    })
    if (put.status !== 204) throw new Error(`subscriptions: ${put.status} ${await put.text()}`)
  })
}

/** Rows `| step | requests | rows written | … |` of the first table. */
function readTable(markdown: string): ReadonlyMap<string, Bill> {
  const rows = [...markdown.matchAll(/^\| ([^|]+) \| ([\d.]+) \| ([\d.]+) \|/gm)]
  return new Map(
    rows.map(([, step = '', requests, rowsWritten]) => [
      step.trim(),
      { requests: Number(requests), rowsWritten: Number(rowsWritten) },
    ]),
  )
}

/** Snapshot rows and timers fall into one run or the other. */
function isNear(stated: number, counted: number): boolean {
  return Math.abs(stated - counted) <= 0.15 + stated * 0.02
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
