// `npm run soak`: Rigel on workerd under faults, for two minutes or longer. Producers publish numbered events; clients of
// every transport (SSE, NDJSON, rigel.v1, plain WebSockets, long-polling, Phoenix) come, go, read slowly and resume, through a TCP
// proxy that cuts, resets, truncates and stalls; the whole process is killed with SIGKILL now and then, and the disk is full
// for some seconds (as root only: it is a file system of its own). Other clients follow a live table, whose rows stand still
// after each fault until every table is what it has to be. Reports what was lost, came twice, out of order or to somebody else,
// and tables that have not converged, and exits 1 if there was anything. A client that was told `recovered: true`
// and misses something counts as lost. `npm run soak -- --seconds 3600 --seed 7 --kills 20`.
import { Rigel, sleep } from '../test/e2e/rigel.ts'
import { readFlags } from './flags.ts'
import { createRandom, type Random } from './random.ts'
import { GRANTS, ROW_EXTRACTORS, ROW_RULES, TABLES } from './sim/rows.ts'
import { TRANSPORTS, type Connect } from './soak/clients.ts'
import { mountDisk } from './soak/disk.ts'
import { startFaultyProxy } from './soak/faulty-proxy.ts'
import { Account, Ledger } from './soak/ledger.ts'
import type { Receiver, SoakEvent } from './soak/receiver.ts'
import { RowChanges } from './soak/row-changes.ts'
import { TableAccount } from './soak/table-account.ts'

const flags = readFlags(process.argv.slice(2), {
  seconds: '120',
  seed: '',
  kills: '3',
  producers: '4',
  tables: '18',
  keys: '200',
  updates: '40',
  full: '1',
  disk: '256',
  port: '',
})
const seed = flags.seed === '' ? Date.now() % 1_000_000 : Number(flags.seed)
const random = createRandom(seed)
const seconds = Number(flags.seconds)
const TYPES = ['soak.a', 'soak.b']
const USERS = ['alice', 'bob']
/** Clients of each transport. */
const CLIENTS = 3
/** Users with tables: the first sees every row, the others those of one tenant, and everybody what is addressed to them. */
const ROW_USERS = ['ann', 'ben', 'cleo']
const ROW_PRODUCERS = 2
/** A client of a large table stays long enough, now and then, to be sent the whole of it. */
const STAY_MS_PER_KEY = 1
/** How long clients have, once the faults are over, to get what is still on its way. */
const SETTLE_MS = 90_000

const { keys, tables: tableClients, updates } = flags
console.log(`soak: seed ${seed}, ${seconds} s, ${flags.kills} kills, ${keys} keys, ${updates} updates/s`)
const disk = mountDisk(Number(flags.disk))
const limits = { max_rows: 2 * Number(keys), max_bytes: 1_073_741_824 }
const settings = {
  EXTRACTORS: JSON.stringify(ROW_EXTRACTORS),
  TYPES: JSON.stringify(ROW_RULES),
  TABLES: JSON.stringify({ row: { ...TABLES.row, ...limits } }),
}
const rigel = await Rigel.start(
  settings,
  flags.port === '' ? undefined : Number(flags.port),
  'npm',
  undefined,
  disk?.folder,
)
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
    running.push(runClient(account, connect, () => rigel.mintToken(user), random.fork()))
  }
}
const changes = new RowChanges({
  keys: Number(keys),
  updates: Number(updates),
  users: ROW_USERS,
  publish: (batch) => publish(batch, 'application/cloudevents-batch+json'),
})
const tables: TableAccount[] = []
for (let n = 0; n < Number(tableClients); n += 1) {
  const [transport, connect] = Object.entries(TRANSPORTS)[n % 6] ?? ['sse', TRANSPORTS['sse'] as Connect]
  const who = Math.floor(n / 6 + n) % ROW_USERS.length
  const [user, grant] = [ROW_USERS[who] ?? '', GRANTS[who]]
  // A channel of a type does not carry what is addressed to its user.
  const view = { user: transport === 'phoenix' ? '' : user, filter: null, grant }
  const account = new TableAccount(changes.rows, `table, ${transport}, ${user}`, 'row', view)
  tables.push(account)
  const claims = { roles: grant?.roles, tenant: grant?.claims['/tenant'] }
  running.push(runClient(account, connect, () => rigel.mintToken(user, claims), random.fork()))
}
await sleep(3_000)
const isOver = () => !phase.isPublishing
const producing = [
  ...Array.from({ length: Number(flags.producers) }, (_, n) => runProducer(n, random.fork())),
  ...Array.from({ length: ROW_PRODUCERS }, (_, n) => changes.run(n, ROW_PRODUCERS, random.fork(), isOver)),
]
await Promise.all([injectKills(random.fork()), fillDisk(random.fork())])
phase.isPublishing = false
await Promise.all(producing)
proxy.heal()
phase.isEnding = true
changes.checkAfterFault(tables)
const deadlineMs = Date.now() + SETTLE_MS
while (Date.now() < deadlineMs && accounts.some((account) => account.missing().length > 0)) await sleep(500)
for (const account of accounts) account.violations.lost.push(...account.missing())
await changes.checked()

const found = [
  ...accounts.flatMap((account) =>
    Object.entries(account.violations).flatMap(([kind, what]) => say(account, kind, what)),
  ),
  ...tables.flatMap((account) => say(account, 'leaked', account.leaked)),
  ...changes.checks.flatMap(({ wrong }) => wrong),
]
for (const account of [...accounts, ...tables]) console.log(`${account.name.padEnd(24)} ${account.count} events`)
for (const line of found) console.log(line)
const convergedMs = changes.checks.map(({ ms }) => ms).join(', ')
console.log(`soak: ${changes.changes} changes of rows, ${tables.length} tables, converged after ${convergedMs} ms`)
console.log(
  `soak: ${ledger.events.length} events, faults ${JSON.stringify(proxy.faults)}, ${found.length} problems, seed ${seed}`,
)
proxy.close()
await rigel.kill()
disk?.unmount()
await rigel.end()
process.exit(found.length > 0 ? 1 : 0)

function say({ name }: Receiver, kind: string, what: readonly string[]): readonly string[] {
  return what.length === 0 ? [] : [`${name}: ${what.length} ${kind}: ${what.slice(0, 5).join(', ')}`]
}

/** Connects again and again, each time from the last event that it has processed, with a new token: one ends after an hour. */
async function runClient(
  account: Receiver,
  connect: Connect,
  mintToken: () => Promise<string>,
  own: Random,
): Promise<void> {
  const isSlow = own.chance(0.2)
  let position: string | null = null
  while (Date.now() < Number.MAX_SAFE_INTEGER) {
    const ending = new AbortController()
    const stayMs = 1_000 + own.below(15_000 + (account.hasState ? Number(keys) * STAY_MS_PER_KEY : 0))
    const leaving = phase.isEnding ? undefined : setTimeout(() => ending.abort(), stayMs)
    const session = async () => ({
      origin: `http://localhost:${proxy.port}`,
      token: await mintToken(),
      user: account.user,
      types: account.types,
      hasState: account.hasState,
      position,
      signal: ending.signal,
      pause: () => (isSlow && !phase.isEnding ? sleep(own.below(500)) : Promise.resolve()),
      onEvent: (event: SoakEvent, at: string | null) => {
        if (ending.signal.aborted) return
        account.take(event)
        if (at !== null) position = at
      },
    })
    // While Rigel is down there is no token.
    await session()
      .then(connect)
      .catch(() => undefined)
    clearTimeout(leaving)
    await sleep(200 + own.below(phase.isEnding ? 500 : 3_000))
  }
}

/** Publishes in order, each event until it is confirmed; the connector's positions make a repetition no second event. */
async function runProducer(producer: number, own: Random): Promise<void> {
  for (let number = 0; phase.isPublishing; number += 1) {
    const to = own.chance(0.3) ? own.pick(USERS) : null
    const source = `/soak/${producer}`
    // A confirmed event is stored, not delivered: one of another partition may overtake it, as after a kill. Without a key of its
    // own, a record that is pushed has the recipient's, else the source's.
    const key = producer % 2 === 0 ? `producer ${producer}` : (to ?? source)
    const event = { id: `${producer}-${number}`, type: own.pick(TYPES), to, producer, number, key }
    ledger.begin(event)
    const body = JSON.stringify({
      specversion: '1.0',
      id: event.id,
      source,
      type: event.type,
      ...(producer % 2 === 0 ? { partitionkey: key } : {}),
      data: to === null ? {} : { recipients: [to] },
    })
    while (!(await publish(body))) await sleep(300)
    await sleep(20 + own.below(200))
  }
}

async function publish(body: string, contentType = 'application/cloudevents+json'): Promise<boolean> {
  const headers = { 'content-type': contentType }
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
    changes.checkAfterFault(tables)
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
    changes.checkAfterFault(tables)
    console.log(`the disk was full until ${Math.round((Date.now() - startedMs) / 1_000)} s`)
  }
}
