// `npm run fuzz`: runs every parser of what comes from outside on 1,000,000 broken inputs, in turn, and reports for each how
// many a second it takes, the slowest input, and how much memory the process holds that it did not hold after the first
// tenth. Exits 1 if a parser throws what its callers do not expect, takes longer than a second for one input, or if memory
// grows. The seed is printed: `npm run fuzz -- --seed 7 --inputs 1000 --target gzip` repeats a run, or a part of it.
import { BYTE_TARGETS } from './fuzz/byte-targets.ts'
import type { Target } from './fuzz/target.ts'
import { TEXT_TARGETS } from './fuzz/text-targets.ts'
import { readFlags } from './flags.ts'
import { createRandom } from './random.ts'

/** A parser that takes longer for four kilobytes could be used to stop everybody. */
const MAX_MS = 1_000
/** What a target may add to the memory that the process holds: some of V8's growth is no leak. */
const MAX_GROWTH_MIB = 64
const MIB = 1_048_576
/**
 * Node frees what a failed gunzipSync holds (16 KiB each) in a later turn of the event loop only: a loop without turns grew
 * from 0.5 to 1.6 GB, which is Node's and not a leak. workerd frees it at once: 80,000 failures in one request take 66 MiB.
 */
const TURN_INPUTS = 200

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
  const random = createRandom(seed)
  const startedMs = performance.now()
  let slowestMs = 0
  let baseMib = await heldMib()
  for (let run = 0; run < inputs; run += 1) {
    if (run === Math.floor(inputs / 10)) baseMib = await heldMib()
    else if (run % TURN_INPUTS === 0) await nextTurn()
    const own = random.fork()
    const beganMs = performance.now()
    try {
      target.run(own)
    } catch (error) {
      return report(target.name, `input ${run} throws ${error instanceof Error ? error.stack : String(error)}`)
    }
    const ms = performance.now() - beganMs
    if (ms > slowestMs) slowestMs = ms
  }
  const perSecond = Math.round((inputs / (performance.now() - startedMs)) * 1_000)
  const grownMib = (await heldMib()) - baseMib
  const line = `${target.name.padEnd(20)} ${String(perSecond).padStart(8)}/s  slowest ${slowestMs.toFixed(1)} ms  grown ${grownMib.toFixed(1)} MiB`
  console.log(line)
  if (slowestMs > MAX_MS) return report(target.name, `takes ${slowestMs.toFixed(0)} ms for one input`)
  if (grownMib > MAX_GROWTH_MIB) return report(target.name, `grew by ${grownMib.toFixed(0)} MiB`)
  return true
}

function report(name: string, problem: string): false {
  console.log(`${name}: PROBLEM (--seed ${seed} --target ${name}): ${problem}`)
  return false
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
