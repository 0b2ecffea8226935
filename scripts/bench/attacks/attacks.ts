// What one client's attack costs another: the time from a POST to the victim's WebSocket, and until a new stream is greeted, on an
// idle gateway, under each attack, and under its control (bystander.ts), in turns within one run. The attacker is another process
// (attacker.ts). With --write the table of docs/benchmarks.md is written anew. Also: what it takes to join a topic of 10,000
// members. `--only=types,presence`: some of the attacks; the page stays as it is. `--rounds=24`: a steadier p99.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { millisecondsOf, pause, quantileOf, quick, type Figure } from '../figure.ts'
import { SHARDS, startRig, type Rig } from '../rig.ts'
import { conditions } from '../page.ts'
import { startBystander, type Bystander } from './bystander.ts'
import { measureJoin, MEMBERS } from './presence-join.ts'
import { writePage, type Measured, type Side } from './table.ts'
import { openVictim, sample, userOf, type Victim, type Window } from './victim.ts'

const SAMPLES = quick ? 40 : 125
/** Short and many, so that what else the machine does meets all. */
const ROUNDS = quick ? 4 : Number(flag('rounds') ?? 6)

const ATTACKS: readonly (readonly [name: string, label: string])[] = [
  ['types', 'sets of 100 new types of 500 characters, by PUT'],
  ['subscribing', 'one `rigel.v1` socket that subscribes to 100 new types a frame, without end'],
  ['silent', '10 WebSockets that do not read, 1 MB of events a second for them'],
  ['tokenless', 'sessions without a token at a shard of the client’s choice'],
  ['presence', `${MEMBERS.toLocaleString('en')} members are present; others come, go, and read who is there`],
  ['history', 'pages of history in which nothing matches, four at a time without end'],
  ['polls', 'polls of one session from its start, four at a time without end'],
  ['reload', 'four pages that are reloaded without end'],
]

/** An attack whose requests are also compared with bare ones, of the same number, in the same workerd. */
const BESIDE_BARE = 'tokenless'

const only = flag('only')?.split(',')

export async function attacks(): Promise<readonly Figure[]> {
  const where = conditions()
  const measured: Measured[] = []
  const joins: string[] = []
  for (const [name, label] of ATTACKS.filter(([one]) => only?.includes(one) ?? true)) {
    const rig = await startRig({
      JWT_SECRET_KEY: 'a secret of the bench, of 32 bytes or more',
      DEV_MODE: 'true',
      PRIVILEGED_ROLES: 'support',
      // The product's own limits.
      MAX_CONNECTIONS_PER_MINUTE: '5000',
      MAX_SUBSCRIPTIONS_PER_CONNECTION: '100',
    })
    const bystander = await startBystander()
    try {
      if (name === 'presence') joins.push(...(await measureJoin(rig)))
      measured.push(await measure(rig, bystander, name, label))
    } finally {
      rig.stop()
      bystander.stop()
    }
  }
  const lines = [...joins, ...measured.flatMap(besideBare)]
  if (process.argv.includes('--write') && only === undefined) writePage(measured, lines, where)
  for (const line of lines) console.log(line)
  for (const { attacked, control, idle, label } of measured)
    for (const [what, side] of Object.entries({ idle, attacked, control }))
      console.log(
        `${label}, ${what}: ${perSecond(side.done, side)} done and ${perSecond(side.refused, side)} refused a second; CPU ms a second: client ` +
          `${perSecond(side.clientCpuMs, side)}, what it attacks ${perSecond(side.attackedCpuMs, side)}; ${Math.round(side.grownMiB)} MiB more`,
      )
  return measured.flatMap(({ attacked, control, idle, label }) => [
    figureOf(`delivery, p99: ${label}`, attacked.deliveryMs, idle.deliveryMs),
    figureOf(`delivery, p99, beside the control: ${label}`, attacked.deliveryMs, control.deliveryMs),
    figureOf(`a new stream, p99: ${label}`, attacked.openMs, idle.openMs),
    figureOf(`a new stream, p99, beside the control: ${label}`, attacked.openMs, control.openMs),
  ])
}

async function measure(rig: Rig, bystander: Bystander, name: string, label: string): Promise<Measured> {
  const victim = await openVictim(rig)
  const attacker = userOf('mallory', shardOf(victim.user, SHARDS))
  await sample(victim, 30)
  const idle = newSide()
  const attacked = newSide()
  const control = newSide()
  const bare = name === BESIDE_BARE ? newSide() : undefined
  for (let round = 0; round < ROUNDS; round += 1) {
    await sampleAlone(victim, idle, rig)
    await sampleUnder(victim, attacked, rig, [name, rig.origin, attacker])
    await pause(1_000)
    const pace = (attacked.done + attacked.refused) / attacked.seconds
    await sampleUnder(victim, control, bystander, [name, bystander.origin, attacker, String(pace)])
    if (bare !== undefined) await sampleUnder(victim, bare, rig, ['bare', rig.origin, attacker, String(pace)])
    await pause(500)
  }
  victim.socket.terminate()
  return { label, idle, attacked, control, bare }
}

function flag(name: string): string | undefined {
  const start = `--${name}=`
  return process.argv.find((word) => word.startsWith(start))?.slice(start.length)
}

/** Says what the victim pays for as many requests that have nothing to do with Rigel. */
function besideBare({ attacked, bare, idle, label }: Measured): readonly string[] {
  if (bare === undefined) return []
  const [alone, under, beside] = [idle, attacked, bare].map(({ deliveryMs }) =>
    [0.5, 0.9, 0.99].map((quantile) => quantileOf(deliveryMs, quantile).toFixed(1)).join(', '),
  )
  return [
    '',
    `Deliveries under “${label}”, p50, p90 and p99 in ms: ${under}; idle ${alone}; ${beside} under as many requests a second to bare ` +
      `objects of the same workerd, each two calls and two commits. CPU of a request: ${cpuOf(attacked, idle)} ms, and of a bare one ${cpuOf(bare, idle)}.`,
  ]
}

/** What a request of an attack costs what it attacks, in milliseconds of CPU, beyond the victim's share. */
function cpuOf(side: Side, idle: Side): string {
  const beyond = side.attackedCpuMs - (idle.attackedCpuMs / idle.seconds) * side.seconds
  return (beyond / (side.done + side.refused)).toFixed(2)
}

function newSide(): Side {
  return { deliveryMs: [], openMs: [], done: 0, refused: 0, seconds: 0, clientCpuMs: 0, attackedCpuMs: 0, grownMiB: 0 }
}

/** Adds a round to `side`: what the victim sees alone, and what it costs the gateway. */
async function sampleAlone(victim: Victim, side: Side, rig: Rig): Promise<void> {
  const beforeMs = rig.cpuMs()
  side.seconds += (await millisecondsOf(async () => add(side, await sample(victim, SAMPLES)))) / 1_000
  side.attackedCpuMs += rig.cpuMs() - beforeMs
}

interface Attacked {
  cpuMs(): number
  memoryBytes?(): number
}

/** Adds a round to `side`: what the victim sees while the attacker works on `attacked`. `args`: of attacker.ts. */
async function sampleUnder(victim: Victim, side: Side, attacked: Attacked, args: readonly string[]): Promise<void> {
  const bytes = () => attacked.memoryBytes?.() ?? 0
  const before = bytes()
  const watching = setInterval(() => {
    side.grownMiB = Math.max(side.grownMiB, (bytes() - before) / 1_048_576)
  }, 100)
  const process = await startAttack(args)
  const beforeMs = attacked.cpuMs()
  side.seconds += (await millisecondsOf(async () => add(side, await sample(victim, SAMPLES)))) / 1_000
  side.attackedCpuMs += attacked.cpuMs() - beforeMs
  const { cpuMs, done, refused } = await stopAttack(process)
  clearInterval(watching)
  side.done += done
  side.refused += refused
  side.clientCpuMs += cpuMs
}

interface Tally {
  readonly done: number
  readonly refused: number
  readonly cpuMs: number
}

/** The attack has been on for a second when this resolves; what it does is counted from then on. */
async function startAttack(args: readonly string[]): Promise<ChildProcess> {
  const attacker = fork('scripts/bench/attacks/attacker.ts', [...args])
  const end = () => attacker.kill('SIGKILL')
  process.once('exit', end)
  attacker.once('exit', () => process.off('exit', end))
  await once(attacker, 'message')
  await pause(1_000)
  attacker.send('count')
  return attacker
}

async function stopAttack(attacker: ChildProcess): Promise<Tally> {
  if (!attacker.connected) throw new Error(`the attacker has ended: ${attacker.exitCode ?? attacker.signalCode}`)
  attacker.send('stop')
  const [tally] = (await once(attacker, 'message')) as [Tally]
  return tally
}

function add(to: Window, more: Window): void {
  to.deliveryMs.push(...more.deliveryMs)
  to.openMs.push(...more.openMs)
}

function perSecond(count: number, { seconds }: Side): number {
  return Math.round(count / seconds)
}

function figureOf(figure: string, attackedMs: readonly number[], besideMs: readonly number[]): Figure {
  const [rigel, bare] = [quantileOf(attackedMs, 0.99), quantileOf(besideMs, 0.99)]
  return { figure, rigel, bare, unit: 'ms', goal: 2 }
}
