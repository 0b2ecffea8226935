// While one commit is under way, requests wait for the next one, which takes all of them.
import { describe, expect, it } from 'vitest'
import { GroupCommit } from '../../src/core/group-commit.ts'

/** Commits end when the test says so. */
function createCommits() {
  const commits: { readonly requests: readonly string[]; end(error?: Error): void }[] = []
  const group = new GroupCommit<string, string>({
    commit: (requests) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) => (error === undefined ? resolve(requests.map((one) => `${one}!`)) : reject(error))
        commits.push({ requests, end })
      }),
    pause: async () => undefined,
  })
  const settled = async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  }
  return { group, commits, settled }
}

describe('group commit', () => {
  it('commits the first request at once, and those that came meanwhile together', async () => {
    const { group, commits, settled } = createCommits()
    const results = ['a', 'b', 'c'].map((request) => group.add(request))
    expect(commits.map(({ requests }) => requests)).toEqual([['a']])
    commits[0]?.end()
    await settled()
    expect(commits.map(({ requests }) => requests)).toEqual([['a'], ['b', 'c']])
    commits[1]?.end()
    expect(await Promise.all(results)).toEqual(['a!', 'b!', 'c!'])
  })

  it('rejects those of a commit that failed, and goes on with the next', async () => {
    const { group, commits, settled } = createCommits()
    const results = ['a', 'b'].map((request) => group.add(request).catch((error: Error) => error.message))
    commits[0]?.end(new Error('full'))
    await settled()
    commits[1]?.end()
    expect(await Promise.all(results)).toEqual(['full', 'b!'])
  })

  it('commits at once again when it has been idle', async () => {
    const { group, commits, settled } = createCommits()
    const first = group.add('a')
    commits[0]?.end()
    await first
    await settled()
    void group.add('b')
    expect(commits.map(({ requests }) => requests)).toEqual([['a'], ['b']])
  })
})
