// `npm run sim`: deterministic simulation of the way of an event, in the manner of FoundationDB and TigerBeetle. The real
// Durable Object classes (shards, the Directory, the embedded log's partitions with their consume loop) run in Node over a
// simulated network, clock and storage that forgets what was not synced. Each schedule has its seed, by which calls are lost
// and objects crash. Reports every event that was lost, came twice, out of order or to somebody else, and every gap that a
// client was not told of, with the seed. `npm run sim -- --schedules 1000000`; `--seed 42 --schedules 1` repeats one.
import { spawn } from 'node:child_process'
import { createRandom, type Random } from './random.ts'
import { readFlags } from './flags.ts'
import { Clock, installClock } from './sim/clock.ts'
import { runSchedule } from './sim/schedule.ts'
import { CrashedObject } from './sim/storage.ts'

const flags = readFlags(process.argv.slice(2), { seed: '1', schedules: '10000', workers: '1', verbose: '' })
const first = Number(flags.seed)
const schedules = Number(flags.schedules)
const workers = Number(flags.workers)
/** Asks for everything that modules remember. */
const WARM_UP_SEED = 36
const { log } = console

if (workers > 1) await runWorkers()
else await runAll()

/** Each process runs a share of the seeds. */
async function runWorkers(): Promise<void> {
  const share = Math.ceil(schedules / workers)
  const codes = Array.from({ length: workers }, (_, n) => {
    const own = ['--seed', String(first + n * share), '--schedules', String(share)]
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...own], { stdio: 'inherit' })
    return new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 1)))
  })
  process.exitCode = Math.max(...(await Promise.all(codes)))
}

async function runAll(): Promise<void> {
  const startedMs = performance.now()
  let random: Random = createRandom(first)
  const clock = new Clock()
  installClock(clock, () => random)
  const uncaught: string[] = []
  clock.onError = (error) => {
    if (!(error instanceof CrashedObject) && !/Network connection lost/.test(String(error)))
      uncaught.push(String(error))
  }
  process.on('unhandledRejection', clock.onError)
  // Objects log the faults that are injected.
  if (flags.verbose === '')
    Object.assign(console, { log: () => undefined, warn: () => undefined, error: () => undefined })
  // What an isolate caches, it has cached in every schedule.
  await runSchedule(WARM_UP_SEED, clock, (next) => (random = next))
  const totals = { failed: 0, published: 0, crashes: 0 }
  for (let seed = first; seed < first + schedules; seed += 1) {
    const outcome = await runSchedule(seed, clock, (next) => (random = next))
    totals.published += outcome.published
    totals.crashes += outcome.crashes
    const violations = [...outcome.violations, ...uncaught.splice(0)]
    if (violations.length > 0) totals.failed += 1
    if (violations.length > 0) log(`seed ${seed}: ${violations.join('; ')}`)
  }
  const { crashes, failed, published } = totals
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  const found = `${published} events, ${crashes} crashes, ${failed} failed`
  log(`sim: ${schedules} schedules from seed ${first} in ${seconds} s, ${found}`)
  if (failed > 0) process.exitCode = 1
}
