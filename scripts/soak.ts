// `npm run soak`: Rigel on workerd under faults, for two minutes or longer. Producers publish numbered events; clients of
// every transport (SSE, NDJSON, rigel.v1, plain WebSockets, long-polling, Phoenix) come, go, read slowly and resume, through a TCP
// proxy that cuts, resets, truncates and stalls; the whole process is killed with SIGKILL now and then, and the disk is full
// for some seconds (as root only: it is a file system of its own). Reports what was
// lost, came twice, out of order or to somebody else, and exits 1 if anything was. A client that was told `recovered: true`
// and misses something counts as lost. `npm run soak -- --seconds 3600 --seed 7 --kills 20`.
import { Rigel, sleep } from '../test/e2e/rigel.ts'
import { readFlags } from './flags.ts'
import { createRandom, type Random } from './random.ts'
import { TRANSPORTS, type Connect } from './soak/clients.ts'
import { mountDisk } from './soak/disk.ts'
import { startFaultyProxy } from './soak/faulty-proxy.ts'
import { Account, Ledger } from './soak/ledger.ts'

const flags = readFlags(process.argv.slice(2), {
  seconds: '120',
  seed: '',
  kills: '3',
  producers: '4',
  full: '1',
  port: '',
})
const seed = flags.seed === '' ? Date.now() % 1_000_000 : Number(flags.seed)
const random = createRandom(seed)
const seconds = Number(flags.seconds)
const TYPES = ['soak.a', 'soak.b']
const USERS = ['alice', 'bob']
/** Clients of each transport. */
const CLIENTS = 3
/** How long clients have, once the faults are over, to get what is still on its way. */
const SETTLE_MS = 90_000

console.log(`soak: seed ${seed}, ${seconds} s, ${flags.kills} kills`)
const disk = mountDisk()
const rigel = await Rigel.start({}, flags.port === '' ? undefined : Number(flags.port), 'npm', undefined, disk?.folder)
const proxy = await startFaultyProxy(rigel.port, random.fork())
const ledger = new Ledger()
const phase = { isPublishing: true, isEnding: false }

const accounts: Account[] = []
const running: Promise<void>[] = []
for (const [transport, connect] of Object.entries(TRANSPORTS)) {
  for (let n = 0; n < CLIENTS; n += 1) {
    const user = USERS[n % USERS.length] ?? ''
    const types = n === 2 ? [] : TYPES.slice(0, n + 1)
    const account = new Account(ledger, `${transport} ${n}`, user, types, transport === 'phoenix')
    accounts.push(account)
    const token = await rigel.mintToken(user)
    running.push(runClient(account, connect, token, random.fork()))
  }
}
await sleep(3_000)
const producing = Array.from({ length: Number(flags.producers) }, (_, n) => runProducer(n, random.fork()))
await Promise.all([injectKills(random.fork()), fillDisk(random.fork())])
phase.isPublishing = false
await Promise.all(producing)
proxy.heal()
phase.isEnding = true
const deadlineMs = Date.now() + SETTLE_MS
while (Date.now() < deadlineMs && accounts.some((account) => account.missing().length > 0)) await sleep(500)
for (const account of accounts) account.violations.lost.push(...account.missing())

const found = accounts.flatMap((account) =>
  Object.entries(account.violations).flatMap(([kind, what]) =>
    what.length === 0 ? [] : [`${account.name}: ${what.length} ${kind}: ${what.slice(0, 5).join(', ')}`],
  ),
)
for (const account of accounts) console.log(`${account.name.padEnd(16)} ${account.count} events`)
for (const line of found) console.log(line)
console.log(
  `soak: ${ledger.events.length} events, faults ${JSON.stringify(proxy.faults)}, ${found.length} problems, seed ${seed}`,
)
proxy.close()
await rigel.kill()
disk?.unmount()
await rigel.end()
process.exit(found.length > 0 ? 1 : 0)

/** Connects again and again, each time from the last event that it has processed. */
async function runClient(account: Account, connect: Connect, token: string, own: Random): Promise<void> {
  const isSlow = own.chance(0.2)
  let position: string | null = null
  while (Date.now() < Number.MAX_SAFE_INTEGER) {
    const ending = new AbortController()
    const leaving = phase.isEnding ? undefined : setTimeout(() => ending.abort(), 1_000 + own.below(15_000))
    const session = {
      origin: `http://localhost:${proxy.port}`,
      token,
      user: account.user,
      types: account.types,
      position,
      signal: ending.signal,
      pause: () => (isSlow && !phase.isEnding ? sleep(own.below(500)) : Promise.resolve()),
      onEvent: (event: { id: string; type: string; data?: { recovered?: boolean } }, at: string | null) => {
        if (ending.signal.aborted) return
        if (event.type === 'rig.connection.create') account.connected(event.data?.recovered ?? null)
        else if (!event.type.startsWith('rig.')) account.got(event.id)
        if (at !== null) position = at
      },
    }
    await connect(session).catch(() => undefined)
    clearTimeout(leaving)
    await sleep(200 + own.below(phase.isEnding ? 500 : 3_000))
  }
}

/** Publishes in order, each event until it is confirmed; the connector's positions make a repetition no second event. */
async function runProducer(producer: number, own: Random): Promise<void> {
  for (let number = 0; phase.isPublishing; number += 1) {
    const to = own.chance(0.3) ? own.pick(USERS) : null
    const event = { id: `${producer}-${number}`, type: own.pick(TYPES), to, producer, number }
    ledger.begin(event)
    const body = JSON.stringify({
      specversion: '1.0',
      id: event.id,
      source: `/soak/${producer}`,
      type: event.type,
      data: to === null ? {} : { recipients: [to] },
    })
    while (!(await publish(body))) await sleep(300)
    await sleep(20 + own.below(200))
  }
}

async function publish(body: string): Promise<boolean> {
  const headers = { 'content-type': 'application/cloudevents+json' }
  const signal = AbortSignal.timeout(10_000)
  const url = `${rigel.origin}/_rig/v1/events?connector=soak`
  return fetch(url, { method: 'POST', headers, body, signal }).then(
    ({ ok }) => ok,
    () => false,
  )
}

async function injectKills(own: Random): Promise<void> {
  const endMs = Date.now() + seconds * 1_000
  const kills = Array.from({ length: Number(flags.kills) }, () => own.below(seconds * 1_000)).toSorted((a, b) => a - b)
  const startedMs = Date.now()
  for (const atMs of kills) {
    await sleep(Math.max(0, startedMs + atMs - Date.now()))
    await rigel.kill()
    await rigel.start()
    console.log(`killed and started after ${Math.round((Date.now() - startedMs) / 1_000)} s`)
  }
  await sleep(Math.max(0, endMs - Date.now()))
}

/** While the disk is full nothing is confirmed, and nothing that was confirmed before is lost. */
async function fillDisk(own: Random): Promise<void> {
  if (disk === null) return console.log('soak: not root, so the disk does not fill')
  const startedMs = Date.now()
  const times = Array.from({ length: Number(flags.full) }, () => own.below(seconds * 1_000)).toSorted((a, b) => a - b)
  for (const atMs of times) {
    await sleep(Math.max(0, startedMs + atMs - Date.now()))
    disk.fill()
    await sleep(3_000 + own.below(5_000))
    disk.free()
    console.log(`the disk was full until ${Math.round((Date.now() - startedMs) / 1_000)} s`)
  }
}
