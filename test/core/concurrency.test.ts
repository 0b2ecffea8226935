import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../src/core/retry.ts'
import { runWithLimit } from '../../src/core/concurrency.ts'
import { eventually } from '../support/eventually.ts'

/** Work that ends when it is told to. */
function makeWork(pieces: number) {
  const started: number[] = []
  const ends: ((error?: Error) => void)[] = []
  const work = Array.from({ length: pieces }, (_, piece) => () => {
    started.push(piece)
    return new Promise<void>((resolve, reject) => {
      ends[piece] = (error) => (error ? reject(error) : resolve())
    })
  })
  return { work, started, end: (piece: number, error?: Error) => ends[piece]?.(error) }
}

describe('a pool', () => {
  it('runs a bounded amount at once, and starts the next when one ends', async () => {
    const { work, started, end } = makeWork(3)
    const done = runWithLimit(work, 2)
    expect(started).toEqual([0, 1])
    end(1)
    await eventually(() => expect(started).toEqual([0, 1, 2]))
    end(0)
    end(2)
    await expect(done).resolves.toBeUndefined()
  })

  it('runs everything although one fails, and fails only when all have ended', async () => {
    const { work, started, end } = makeWork(3)
    let failed = false
    const done = runWithLimit(work, 1).catch(() => (failed = true))
    end(0, new Error('down'))
    await eventually(() => expect(started).toEqual([0, 1]))
    end(1)
    await eventually(() => expect(started).toEqual([0, 1, 2]))
    expect(failed).toBe(false)
    end(2)
    await done
    expect(failed).toBe(true)
  })

  it('takes a piece that throws before it waits for anything for one that failed', async () => {
    const { work, started, end } = makeWork(1)
    const bug = () => {
      throw new Error('a bug')
    }
    const done = runWithLimit([bug, ...work], 1).catch(String)
    await eventually(() => expect(started).toEqual([0]))
    end(0)
    expect(await done).toBe('Error: a bug')
  })

  it('has nothing to do without work', async () => {
    await expect(runWithLimit([], 4)).resolves.toBeUndefined()
  })
})

it.each([
  [1, 1, 200],
  [2, 1, 400],
  [5, 0.5, 1_600],
  [100, 1, 30_000],
  [100, 0, 0],
])('after %i failures and chance %d a retry waits %i ms', (failures, random, ms) => {
  expect(backoffMs(failures, random)).toBe(ms)
})
