// `npm run fuzz`: runs every parser of what comes from outside on 1,000,000 broken inputs, in turn, and reports for each how
// many a second it takes, the slowest input, and how much memory the process holds that it did not hold after the first
// tenth. Exits 1 if a parser throws what its callers do not expect, takes more than a second of CPU for one input, or if memory
// grows. The seed is printed: `npm run fuzz -- --seed 7 --inputs 1000 --target gzip` repeats a run, or a part of it.
import { BYTE_TARGETS } from './fuzz/byte-targets.ts'
import { runTarget } from './fuzz/run-target.ts'
import type { Target } from './fuzz/target.ts'
import { TEXT_TARGETS } from './fuzz/text-targets.ts'
import { readFlags } from './flags.ts'
import { createRandom } from './random.ts'

const MIB = 1_048_576

const flags = readFlags(process.argv.slice(2), { seed: '', inputs: '1000000', target: '' })
const seed = flags.seed === '' ? Date.now() % 1_000_000 : Number(flags.seed)
const targets = [...TEXT_TARGETS, ...BYTE_TARGETS].filter(({ name }) => flags.target === '' || flags.target === name)
if (targets.length === 0) throw new Error(`there is no target ${flags.target}`)
const inputs = Math.ceil(Number(flags.inputs) / targets.length)
console.log(`fuzz: seed ${seed}, ${targets.length} targets, ${inputs} inputs each`)

let problems = 0
for (const target of targets) if (!(await fuzz(target))) problems += 1
console.log(`fuzz: ${inputs * targets.length} inputs, ${problems} problems, seed ${seed}`)
if (problems > 0) process.exitCode = 1

/** Returns whether the target held. */
async function fuzz(target: Target): Promise<boolean> {
  const startedMs = performance.now()
  const run = await runTarget(target, inputs, createRandom(seed), { cpuMs, heldMib, nextTurn })
  const perSecond = Math.round((run.inputs / (performance.now() - startedMs)) * 1_000)
  const slowest = `slowest ${run.slowestMs.toFixed(1)} ms  grown ${run.grownMib.toFixed(1)} MiB`
  console.log(`${target.name.padEnd(20)} ${String(perSecond).padStart(8)}/s  ${slowest}`)
  if (run.problem === undefined) return true
  console.log(`${target.name}: PROBLEM (--seed ${seed} --target ${target.name}): ${run.problem}`)
  return false
}

function cpuMs(): number {
  const { system, user } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** What is still held after a collection, outside of the heap included: buffers of codecs are there. */
async function heldMib(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void }
  if (gc === undefined) throw new Error('run it by `npm run fuzz`, which passes --expose-gc')
  gc()
  await nextTurn()
  gc()
  const { external, heapUsed } = process.memoryUsage()
  return (heapUsed + external) / MIB
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
