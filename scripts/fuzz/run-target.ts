// Runs one target on many inputs and finds out what is wrong with it. Pure: clock, memory and turns come in. Called by fuzz.ts.
import type { Random } from '../random.ts'
import type { Target } from './target.ts'

/** A parser that takes longer for four kilobytes could be used to stop everybody. */
const MAX_CPU_MS = 1_000
/** What a target may add to the memory that the process holds: some of V8's growth is no leak. */
const MAX_GROWTH_MIB = 64
/**
 * Node frees what a failed gunzipSync holds (16 KiB each) in a later turn of the event loop only: a loop without turns grew
 * from 0.5 to 1.6 GB, which is Node's and not a leak. workerd frees it at once: 80,000 failures in one request take 66 MiB.
 */
const TURN_INPUTS = 200

export interface RunDeps {
  /** CPU time of this thread in milliseconds: of a machine that does other work, wall-clock says nothing about an input. */
  cpuMs(): number
  /** What is held after a collection, in MiB. */
  heldMib(): Promise<number>
  /** Resolves in a later turn of the event loop. */
  nextTurn(): Promise<void>
}

export interface TargetRun {
  /** Inputs that were tried. */
  readonly inputs: number
  readonly slowestMs: number
  readonly grownMib: number
  /** Undefined if the target held. */
  readonly problem?: string
}

/** Stops at the first input that throws. */
export async function runTarget(target: Target, inputs: number, random: Random, deps: RunDeps): Promise<TargetRun> {
  let slowest = { run: 0, ms: 0 }
  let baseMib = await deps.heldMib()
  for (let run = 0; run < inputs; run += 1) {
    if (run === Math.floor(inputs / 10)) baseMib = await deps.heldMib()
    else if (run % TURN_INPUTS === 0) await deps.nextTurn()
    const own = random.fork()
    const beganMs = deps.cpuMs()
    try {
      target.run(own)
    } catch (error) {
      const text = error instanceof Error ? error.stack : String(error)
      return { inputs: run, slowestMs: slowest.ms, grownMib: 0, problem: `input ${run} throws ${text}` }
    }
    const ms = deps.cpuMs() - beganMs
    if (ms > slowest.ms) slowest = { run, ms }
  }
  const grownMib = (await deps.heldMib()) - baseMib
  const measured = { inputs, slowestMs: slowest.ms, grownMib }
  if (slowest.ms > MAX_CPU_MS) {
    return { ...measured, problem: `takes ${slowest.ms.toFixed(0)} ms of CPU for input ${slowest.run}` }
  }
  return grownMib > MAX_GROWTH_MIB ? { ...measured, problem: `grew by ${grownMib.toFixed(0)} MiB` } : measured
}
