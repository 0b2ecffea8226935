import { describe, expect, it, vi } from 'vitest'
import { AwaitedOffsets } from '../../src/client/awaited-offsets.ts'
import { Refusal } from '../../src/client/link.ts'

/** A connection that notes what it is asked. */
function makeLink(answer: () => Promise<void> = () => Promise.resolve()) {
  const asked: string[] = []
  const refs: string[] = []
  const askPassed = (offsets: string, ref: string) => {
    asked.push(offsets)
    refs.push(ref)
    return answer()
  }
  return { asked, refs, link: { askPassed } }
}

describe('offsets that are awaited', () => {
  it('are asked for on each connection, until one has answered', async () => {
    const awaited = new AwaitedOffsets()
    const passed = awaited.add('a/0@1')
    const [first, second] = [makeLink(), makeLink()]
    awaited.opened(first.link)
    awaited.opened(null)
    awaited.opened(second.link)
    expect([first.asked, second.asked]).toEqual([['a/0@1'], ['a/0@1']])
    awaited.answered(second.refs[0] ?? '')
    await passed
    awaited.opened(first.link)
    expect(first.asked).toHaveLength(1)
  })

  it('are refused for good, or asked for again', async () => {
    vi.useFakeTimers()
    const awaited = new AwaitedOffsets()
    const busy = makeLink(() => Promise.reject(new Refusal('busy', false)))
    awaited.opened(busy.link)
    const passed = awaited.add('a/0@1')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(busy.asked).toHaveLength(2)
    vi.useRealTimers()
    awaited.opened(makeLink(() => Promise.reject(new Refusal('no such topic', true))).link)
    await expect(passed).rejects.toThrow('no such topic')
  })

  it('are given up when the connection is closed for good', async () => {
    const awaited = new AwaitedOffsets()
    const passed = awaited.add('a/0@1')
    awaited.closed('bye')
    await expect(passed).rejects.toThrow('bye')
  })
})
