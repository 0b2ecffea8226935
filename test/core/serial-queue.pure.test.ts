import { describe, expect, it } from 'vitest'
import { SerialQueue } from '../../src/core/serial-queue.ts'

describe('SerialQueue', () => {
  it('runs one piece after another, in the order in which they were added', async () => {
    const queue = new SerialQueue()
    const log: string[] = []
    const first = Promise.withResolvers<void>()
    const one = queue.run(async () => {
      log.push('one starts')
      await first.promise
      log.push('one ends')
    })
    const two = queue.run(async () => void log.push('two'))
    await Promise.resolve()
    first.resolve()
    await Promise.all([one, two])
    expect(log).toEqual(['one starts', 'one ends', 'two'])
  })

  it('returns what the work returns, throws what it throws, and goes on', async () => {
    const queue = new SerialQueue()
    const failing = queue.run(async () => Promise.reject(new Error('broken')))
    const next = queue.run(async () => 7)
    await expect(failing).rejects.toThrow('broken')
    expect(await next).toBe(7)
    await queue.settled()
  })
})
