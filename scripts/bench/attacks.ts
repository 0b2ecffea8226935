// What one client's attack costs another: the time from a POST to the victim's WebSocket, and until a new stream is greeted, on an
// idle gateway and under each attack, in turns within one run. The attacker is another process (attacker.ts). Without --quick the
// table of docs/benchmarks.md is written anew. Also: what it takes to join a topic of 10,000 members.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { WebSocket } from 'ws'
import { shardOf } from '../../src/core/delivery/shard-hash.ts'
import { millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { call, SHARDS, startRig, type Rig } from './rig.ts'

const PAGE = 'docs/benchmarks.md'
const BEGIN = '<!-- written by: npm run bench -- attacks -->'
const END = '<!-- until here -->'

const MEMBERS = quick ? 1_000 : 10_000
const SAMPLES = quick ? 60 : 150
const ROUNDS = 2
/** An event of the victim's this often. */
const EVERY_MS = 20

const ATTACKS: readonly (readonly [name: string, label: string])[] = [
  ['types', 'sets of 100 new types of 500 characters, by PUT'],
  ['subscribing', 'one `rigel.v1` socket that subscribes to 100 new types a frame, without end'],
  ['silent', '10 WebSockets that do not read, 1 MB of events a second for them'],
  ['tokenless', 'sessions without a token at a shard of the client’s choice'],
  ['presence', `${MEMBERS.toLocaleString('en')} members are present; others come, go, and read who is there`],
  ['reload', 'four pages that are reloaded without end'],
]

interface Window {
  readonly deliveryMs: readonly number[]
  readonly openMs: readonly number[]
}

interface Measured {
  readonly label: string
  readonly idle: Window
  readonly attacked: Window
  /** The most memory during the attack, beyond what there was before. */
  readonly grownMiB: number
  readonly done: number
  readonly refused: number
  readonly seconds: number
}

export async function attacks(): Promise<readonly Figure[]> {
  const measured: Measured[] = []
  const joins: string[] = []
  for (const [name, label] of ATTACKS) {
    const rig = await startRig({
      JWT_SECRET_KEY: 'a secret of the bench, of 32 bytes or more',
      DEV_MODE: 'true',
      PRIVILEGED_ROLES: 'support',
      // The product's own limits.
      MAX_CONNECTIONS_PER_MINUTE: '5000',
      MAX_SUBSCRIPTIONS_PER_CONNECTION: '100',
    })
    try {
      if (name === 'presence') joins.push(...(await measureJoin(rig)))
      measured.push(await measure(rig, name, label))
    } finally {
      rig.stop()
    }
  }
  if (!quick) writePage(measured, joins)
  for (const line of joins) console.log(line)
  return measured.flatMap(({ attacked, idle, label }) => [
    figureOf(`delivery, p99: ${label}`, attacked.deliveryMs, idle.deliveryMs),
    figureOf(`a new stream, p99: ${label}`, attacked.openMs, idle.openMs),
  ])
}

async function measure(rig: Rig, name: string, label: string): Promise<Measured> {
  const victim = await openVictim(rig)
  const attacker = userOf('mallory', shardOf(victim.user, SHARDS))
  await sample(victim, 30)
  const idle = { deliveryMs: [] as number[], openMs: [] as number[] }
  const attacked = { deliveryMs: [] as number[], openMs: [] as number[] }
  const tally = { done: 0, refused: 0 }
  let grownBytes = 0
  let ms = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    add(idle, await sample(victim, SAMPLES))
    const before = rig.memoryBytes()
    const watching = setInterval(() => (grownBytes = Math.max(grownBytes, rig.memoryBytes() - before)), 100)
    const process = await startAttack(name, rig.origin, attacker)
    ms += await millisecondsOf(async () => add(attacked, await sample(victim, SAMPLES)))
    const { done, refused } = await stopAttack(process)
    clearInterval(watching)
    tally.done += done
    tally.refused += refused
    await pause(1_000)
  }
  victim.socket.terminate()
  return { label, idle, attacked, grownMiB: grownBytes / 1_048_576, ...tally, seconds: ms / 1_000 }
}

interface Victim {
  readonly rig: Rig
  readonly user: string
  readonly token: string
  readonly socket: WebSocket
}

async function openVictim(rig: Rig): Promise<Victim> {
  const user = 'victim'
  const token = await tokenFor(rig, user)
  const socket = new WebSocket(`${rig.wsOrigin}/_rig/v1/connection/ws?jwt=${token}`, { perMessageDeflate: false })
  await once(socket, 'message')
  return { rig, user, token, socket }
}

async function sample(victim: Victim, count: number): Promise<Window> {
  const deliveryMs: number[] = []
  const openMs: number[] = []
  for (let n = 0; n < count; n += 1) {
    const took = await deliver(victim)
    deliveryMs.push(took)
    if (n % 3 === 0) openMs.push(await millisecondsOf(() => openStream(victim)))
    await pause(Math.max(0, EVERY_MS - took))
  }
  return { deliveryMs, openMs }
}

function deliver({ rig, socket, user }: Victim): Promise<number> {
  const id = crypto.randomUUID()
  const event = { specversion: '1.0', id, source: '/bench', type: 'for.victim', data: { recipients: [user] } }
  const headers = { 'content-type': 'application/cloudevents+json' }
  return millisecondsOf(
    () =>
      new Promise<void>((resolve, reject) => {
        const onMessage = (data: Buffer) => {
          if (!data.includes(id)) return
          socket.off('message', onMessage)
          resolve()
        }
        socket.on('message', onMessage)
        fetch(`${rig.origin}/_rig/v1/events`, { method: 'POST', headers, body: JSON.stringify(event) }).then(
          ({ ok, status }) => ok || reject(new Error(`the victim's event was answered with ${status}`)),
          reject,
        )
      }),
  )
}

async function openStream({ rig, token }: Victim): Promise<void> {
  const ending = new AbortController()
  const response = await fetch(`${rig.origin}/_rig/v1/connection/sse?jwt=${token}`, { signal: ending.signal })
  if (!response.ok || response.body === null)
    throw new Error(`the victim's stream was answered with ${response.status}`)
  await response.body.getReader().read()
  ending.abort()
}

/** Joins by Phoenix when all members are present, the first and the second member of a shard. Returns what each took. */
async function measureJoin(rig: Rig): Promise<readonly string[]> {
  await call(rig, `presence?topic=role:crowd&count=${MEMBERS}`)
  const token = await tokenFor(rig, 'boss', { roles: ['support'] })
  const lines: string[] = []
  for (const which of ['first', 'second']) {
    const socket = new WebSocket(`${rig.wsOrigin}/_rig/v1/connection/phoenix/websocket?vsn=2.0.0&token=${token}`)
    await once(socket, 'open')
    let names = 0
    let bytes = 0
    let messages = 0
    const ms = await millisecondsOf(
      () =>
        new Promise<void>((resolve) => {
          socket.on('message', (data: Buffer) => {
            const [, , , event, payload] = JSON.parse(data.toString()) as [null, null, string, string, Payload]
            if (!event.startsWith('presence_')) return
            bytes += data.length
            messages += 1
            names += Object.keys(event === 'presence_state' ? payload : (payload.joins ?? {})).length
            if (names >= MEMBERS) resolve()
          })
          socket.send(JSON.stringify(['1', '1', 'role:crowd', 'phx_join', {}]))
        }),
    )
    const diffs = await countDiffs(rig, socket)
    socket.terminate()
    lines.push(
      `The ${which} join of a topic with ${MEMBERS.toLocaleString('en')} members: ${Math.round(ms)} ms until all names are there, ` +
        `${(bytes / 1_000).toFixed(0)} kB in ${messages} messages. 200 members who come at once: ${diffs} diffs.`,
    )
  }
  return lines
}

type Payload = Readonly<Record<string, unknown>> & { readonly joins?: object }

async function countDiffs(rig: Rig, socket: WebSocket): Promise<number> {
  let diffs = 0
  let names = 0
  const all = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const [, , , event, payload] = JSON.parse(data.toString()) as [null, null, string, string, Payload]
      if (event !== 'presence_diff') return
      diffs += 1
      names += Object.keys(payload.joins ?? {}).length
      if (names >= 200) resolve()
    })
  })
  await call(rig, 'presence?topic=role:crowd&count=200')
  await all
  return diffs
}

async function startAttack(name: string, origin: string, user: string): Promise<ChildProcess> {
  const attacker = fork('scripts/bench/attacker.ts', [name, origin, user])
  const end = () => attacker.kill('SIGKILL')
  process.once('exit', end)
  attacker.once('exit', () => process.off('exit', end))
  await once(attacker, 'message')
  await pause(1_000)
  return attacker
}

async function stopAttack(attacker: ChildProcess): Promise<{ readonly done: number; readonly refused: number }> {
  if (!attacker.connected) throw new Error(`the attacker has ended: ${attacker.exitCode ?? attacker.signalCode}`)
  attacker.send('stop')
  const [tally] = (await once(attacker, 'message')) as [{ readonly done: number; readonly refused: number }]
  return tally
}

async function tokenFor(rig: Rig, user: string, claims: object = {}): Promise<string> {
  const body = JSON.stringify({ user, ...claims })
  const response = await fetch(`${rig.origin}/_rig/dev/token`, { method: 'POST', body })
  return ((await response.json()) as { token: string }).token
}

function userOf(name: string, shard: number): string {
  for (let n = 0; ; n += 1) if (shardOf(`${name}-${n}`, SHARDS) === shard) return `${name}-${n}`
}

function add(to: { deliveryMs: number[]; openMs: number[] }, more: Window): void {
  to.deliveryMs.push(...more.deliveryMs)
  to.openMs.push(...more.openMs)
}

function figureOf(figure: string, attackedMs: readonly number[], idleMs: readonly number[]): Figure {
  const [rigel, bare] = [quantileOf(attackedMs, 0.99), quantileOf(idleMs, 0.99)]
  return { figure, rigel, bare, unit: 'ms', ratio: rigel / bare, goal: 2 }
}

function writePage(measured: readonly Measured[], joins: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8')
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table: ${BEGIN} … ${END}`)
  const rows = measured.map(({ attacked, done, grownMiB, idle, label, refused, seconds }) => {
    const times = (['deliveryMs', 'openMs'] as const).flatMap((what) =>
      [0.5, 0.99].map((quantile) => {
        const [under, alone] = [quantileOf(attacked[what], quantile), quantileOf(idle[what], quantile)]
        return `${alone.toFixed(1)} → ${under.toFixed(1)} (${(under / alone).toFixed(1)})`
      }),
    )
    const work = `${Math.round(done / seconds)} (${Math.round(refused / seconds)})`
    return `| ${[label, ...times, work, `${Math.round(grownMiB)}`].join(' | ')} |`
  })
  const table = [
    BEGIN,
    '',
    `${new Date().toISOString().slice(0, 10)}, ${ROUNDS * SAMPLES} events each, of users of one shard. Milliseconds, idle → under attack (ratio):`,
    '',
    '| attack | delivery, p50 | delivery, p99 | new stream, p50 | new stream, p99 | done (refused) a second | MiB more |',
    '|---|--:|--:|--:|--:|--:|--:|',
    ...rows,
    '',
    ...joins,
    '',
  ]
  writeFileSync(PAGE, `${page.slice(0, from)}${table.join('\n')}${page.slice(to)}`)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
