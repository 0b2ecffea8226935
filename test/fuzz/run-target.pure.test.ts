// What the fuzzer calls a problem of a parser.
import { expect, it } from 'vitest'
import { runTarget, type RunDeps } from '../../scripts/fuzz/run-target.ts'
import { createRandom } from '../../scripts/random.ts'

/** A process whose CPU time and memory are what a target's `run` adds to them. */
function makeProcess() {
  const used = { cpuMs: 0, heldMib: 10, turns: 0 }
  const deps: RunDeps = {
    cpuMs: () => used.cpuMs,
    heldMib: async () => used.heldMib,
    nextTurn: async () => void (used.turns += 1),
  }
  const run = (act: (input: number) => void, inputs = 1_000) => {
    let input = 0
    const target = { name: 'one', run: () => (act(input++), '') }
    return runTarget(target, inputs, createRandom(1), deps)
  }
  return { used, run }
}

it('a target holds that is quick and keeps nothing', async () => {
  const { run, used } = makeProcess()
  expect(await run((input) => (used.cpuMs += input === 7 ? 3 : 0))).toEqual({
    inputs: 1_000,
    slowestMs: 3,
    grownMib: 0,
  })
  expect(used.turns).toBeGreaterThan(3)
})

it('an input that takes more than a second of CPU is named', async () => {
  const { run, used } = makeProcess()
  const { problem } = await run((input) => (used.cpuMs += input === 7 ? 1_500 : 1))
  expect(problem).toBe('takes 1500 ms of CPU for input 7')
})

it('an input that throws is named', async () => {
  const { run } = makeProcess()
  const throwing = (input: number) => {
    if (input === 3) throw new RangeError('no')
  }
  expect((await run(throwing)).problem).toMatch(/^input 3 throws RangeError: no\n/)
})

it('memory that is held after the first tenth is a leak, what comes before is not', async () => {
  const first = makeProcess()
  expect((await first.run((input) => (first.used.heldMib += input < 50 ? 10 : 0))).problem).toBeUndefined()
  const always = makeProcess()
  expect((await always.run(() => (always.used.heldMib += 0.1))).problem).toBe('grew by 90 MiB')
})
