// A garbage collection does not discard the optimized code of a follower that reads a backlog: see src/core/kept-shapes.ts.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../support/read-backlog.ts', import.meta.url))
/** The first collections: V8 keeps shapes that it has just seen through two, and code is optimized meanwhile. */
const WARM_UP = 'collection 4'

it('keeps the code that decodes and routes records through garbage collections', () => {
  const output = execFileSync(process.execPath, ['--expose-gc', '--trace-deopt', PROGRAM], { encoding: 'utf8' })

  const discarded = output
    .slice(output.indexOf(WARM_UP))
    .split('\n')
    .filter((line) => line.includes('embedded weak objects cleared'))
    .map((line) => /SharedFunctionInfo ([^>]*)>/.exec(line)?.[1])
  expect(output).toContain('collection 9')
  expect(discarded).toEqual([])
}, 60_000)
