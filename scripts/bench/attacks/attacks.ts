// What one client's attack costs another: the time from a POST to the victim's WebSocket, and until a new stream is greeted, on an
// idle gateway and under each attack, in turns within one run. The attacker is another process (attacker.ts). Without --quick the
// table of docs/benchmarks.md is written anew. Also: what it takes to join a topic of 10,000 members.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { shardOf } from '../../src/core/delivery/shard-hash.ts'
import { writeAttackTable, type AttackResult, type Latencies } from './attack-table.ts'
import { millisecondsOf, pause, quantileOf, quick, type Figure } from './figure.ts'
import { measureJoin, MEMBERS } from './presence-join.ts'
import { SHARDS, startRig, type Rig } from './rig.ts'
import { measureVictim, openVictim } from './victim.ts'

const SAMPLES = quick ? 60 : 150
const ROUNDS = 2
const ATTACKS: readonly (readonly [name: string, label: string])[] = [
  ['types', 'sets of 100 new types of 500 characters, by PUT'],
  ['subscribing', 'one `rigel.v1` socket that subscribes to 100 new types a frame, without end'],
  ['silent', '10 WebSockets that do not read, 1 MB of events a second for them'],
  ['tokenless', 'sessions without a token at a shard of the client’s choice'],
  ['presence', `${MEMBERS.toLocaleString('en')} members are present; others come, go, and read who is there`],
  ['reload', 'four pages that are reloaded without end'],
]

export async function attacks(): Promise<readonly Figure[]> {
  const measured: AttackResult[] = []
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
  if (!quick) writeAttackTable(measured, joins, ROUNDS * SAMPLES)
  for (const line of joins) console.log(line)
  return measured.flatMap(({ attacked, idle, label }) => [
    figureOf(`delivery, p99: ${label}`, attacked.deliveryMs, idle.deliveryMs),
    figureOf(`a new stream, p99: ${label}`, attacked.openMs, idle.openMs),
  ])
}

async function measure(rig: Rig, name: string, label: string): Promise<AttackResult> {
  const victim = await openVictim(rig)
  const attacker = userOf('mallory', shardOf(victim.user, SHARDS))
  await measureVictim(victim, 30)
  const idle = { deliveryMs: [] as number[], openMs: [] as number[] }
  const attacked = { deliveryMs: [] as number[], openMs: [] as number[] }
  const tally = { done: 0, refused: 0 }
  let grownBytes = 0
  let ms = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    add(idle, await measureVictim(victim, SAMPLES))
    const before = rig.memoryBytes()
    const watching = setInterval(() => (grownBytes = Math.max(grownBytes, rig.memoryBytes() - before)), 100)
    const process = await startAttack(name, rig.origin, attacker)
    ms += await millisecondsOf(async () => add(attacked, await measureVictim(victim, SAMPLES)))
    const { done, refused } = await stopAttack(process)
    clearInterval(watching)
    tally.done += done
    tally.refused += refused
    await pause(1_000)
  }
  victim.socket.terminate()
  return { label, idle, attacked, grownMiB: grownBytes / 1_048_576, ...tally, seconds: ms / 1_000 }
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

function userOf(name: string, shard: number): string {
  for (let n = 0; ; n += 1) if (shardOf(`${name}-${n}`, SHARDS) === shard) return `${name}-${n}`
}

function add(to: { deliveryMs: number[]; openMs: number[] }, more: Latencies): void {
  to.deliveryMs.push(...more.deliveryMs)
  to.openMs.push(...more.openMs)
}

function figureOf(figure: string, attackedMs: readonly number[], idleMs: readonly number[]): Figure {
  const [rigel, bare] = [quantileOf(attackedMs, 0.99), quantileOf(idleMs, 0.99)]
  return { figure, rigel, bare, unit: 'ms', ratio: rigel / bare, goal: 2 }
}
