// While something may not be durable, requests wait, and share the next transaction.
import { describe, expect, it } from 'vitest'
import { GatedCommit } from '../../src/segment-log/gated-commit.ts'

/** Syncs end when the test says so. */
function createCommits() {
  const commits: (readonly string[])[] = []
  const syncs: PromiseWithResolvers<void>[] = []
  const state = { isDurable: true, isFull: false }
  const gated = new GatedCommit<string, string>({
    commit: (requests) => {
      if (state.isFull) throw new Error('full')
      commits.push(requests)
      state.isDurable = false
      return requests.map((one) => `${one}!`)
    },
    isDurable: () => state.isDurable,
    sync: () => {
      const sync = Promise.withResolvers<void>()
      syncs.push(sync)
      return sync.promise
    },
  })
  return { gated, commits, syncs, state }
}

describe('gated commit', () => {
  it('stores a request at once, and those that came before it was durable together', async () => {
    const { commits, gated, syncs } = createCommits()
    const results = ['a', 'b', 'c'].map(async (request) => gated.add(request))
    expect(await results[0]).toBe('a!')
    expect(commits).toEqual([['a']])
    syncs[0]?.resolve()
    expect(await Promise.all(results)).toEqual(['a!', 'b!', 'c!'])
    expect(commits).toEqual([['a'], ['b', 'c']])
  })

  it('waits for no storage when everything is known to be durable', async () => {
    const { gated, state, syncs } = createCommits()
    await gated.add('a')
    state.isDurable = true
    expect(await gated.add('b')).toBe('b!')
    expect(syncs).toEqual([])
  })

  it('keeps the order: what comes while others wait does not pass them', async () => {
    const { commits, gated, state, syncs } = createCommits()
    await gated.add('a')
    const waiting = gated.add('b')
    state.isDurable = true
    const last = gated.add('c')
    syncs[0]?.resolve()
    await Promise.all([waiting, last])
    expect(commits).toEqual([['a'], ['b', 'c']])
  })

  it('rejects those that storage did not take, and takes later ones', async () => {
    const { gated, state, syncs } = createCommits()
    await gated.add('a')
    const refused = Promise.resolve(gated.add('b')).catch((error: Error) => error.message)
    state.isFull = true
    syncs[0]?.resolve()
    expect(await refused).toBe('full')
    Object.assign(state, { isFull: false, isDurable: true })
    expect(await gated.add('c')).toBe('c!')
  })

  it('rejects all that wait when what was stored does not become durable', async () => {
    const { gated, syncs } = createCommits()
    await gated.add('a')
    const waiting = ['b', 'c'].map((request) =>
      Promise.resolve(gated.add(request)).catch((error: Error) => error.message),
    )
    syncs[0]?.reject(new Error('the disk is gone'))
    expect(await Promise.all(waiting)).toEqual(['the disk is gone', 'the disk is gone'])
  })
})
