import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { toPresences } from '../../../../../../src/rpc/presence.ts'
import { PresenceCopy } from '../../../../../../src/objects/shard/transports/phoenix/presence/presence-copy.ts'

const present = (...refs: readonly string[]) =>
  toPresences(refs.map((ref) => ({ name: ref.split(':')[0] ?? '', meta: { phx_ref: ref } })))
const none = present()
const stateOf = (copy: PresenceCopy) =>
  Object.assign({}, ...[...copy.pages()].map((page) => JSON.parse(page) as object)) as object

describe('a copy of who is present', () => {
  it('follows the diffs of its topic', () => {
    const copy = new PresenceCopy(present('alice:1', 'bob:1'))
    expect(copy.apply({ joins: present('alice:2'), leaves: present('bob:1') }, 8)).toBe(true)
    expect(copy.apply({ joins: none, leaves: present('alice:1') }, 9)).toBe(true)
    expect(stateOf(copy)).toEqual(present('alice:2'))
  })

  it('is the same if a diff came before it was fetched', () => {
    const copy = new PresenceCopy(present('alice:1'))
    copy.apply({ joins: present('alice:1'), leaves: present('bob:1') }, 1)
    expect(stateOf(copy)).toEqual(present('alice:1'))
  })

  it.each([7, 9, 1])('says that a diff is missing between version 7 and %i', (version) => {
    const copy = new PresenceCopy(none)
    expect(copy.apply({ joins: none, leaves: none }, 7)).toBe(true)
    expect(copy.apply({ joins: present('alice:1'), leaves: none }, version)).toBe(false)
  })

  it('of 10,000 members who come and go stays exact, and its pages stay small', () => {
    const nameOf = (n: number) => `member-${n}:1`
    const copy = new PresenceCopy(present(...Array.from({ length: 10_000 }, (_, n) => nameOf(n))))
    for (let n = 0; n < 2_000; n += 1)
      expect(copy.apply({ joins: present(nameOf(10_000 + n)), leaves: present(nameOf(n)) }, n + 1)).toBe(true)
    const pages = [...copy.pages()]
    expect(pages).toHaveLength(20)
    expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan(60_000)
    const names = pages.flatMap((page) => Object.keys(JSON.parse(page) as object))
    expect(new Set(names)).toEqual(new Set(Array.from({ length: 10_000 }, (_, n) => `member-${n + 2_000}`)))
  })

  it('comes in pages, which are as new as the moment in which they are taken', () => {
    const refs = Array.from({ length: 1_200 }, (_, n) => `user${n}:1`)
    const copy = new PresenceCopy(present(...refs))
    const pages = copy.pages()
    const first = JSON.parse(pages.next().value as string) as object
    copy.apply({ joins: none, leaves: present('user600:1') }, 1)
    const rest = [...pages].map((page) => Object.keys(JSON.parse(page) as object))
    expect([Object.keys(first).length, ...rest.map(({ length }) => length)]).toEqual([500, 500, 199])
    expect(rest.flat()).not.toContain('user600')
  })

  it('of much metadata comes in pages of limited size', () => {
    const entries = Array.from({ length: 1_000 }, (_, n) => ({
      name: `user${n % 100}`,
      meta: { phx_ref: String(n), picture: 'x'.repeat(1_000) },
    }))
    const pages = [...new PresenceCopy(toPresences(entries)).pages()]
    expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan(65_536 + 11_000)
    const metas = pages.flatMap((page) => Object.values(JSON.parse(page) as ReturnType<typeof toPresences>))
    expect(metas.flatMap((shown) => shown.metas)).toHaveLength(1_000)
  })

  it('of nobody is one empty page', () => {
    expect([...new PresenceCopy(none).pages()]).toEqual(['{}'])
  })
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  return memoryUsage().heapUsed
}

it.each<[string, number, (n: number) => object]>([
  ['little metadata', 10_000, () => ({})],
  ['the claims of most', 10_000, (n) => ({ time: 1_700_000_000_000 + n, username: `user-${n}` })],
  ['much metadata', 1_000, (n) => ({ picture: `${n}`.padEnd(1_000, 'x') })],
])('a copy of members with %s takes no more than it counts', (_name, count, metaOf) => {
  const makeCopy = (from: number) => {
    const state = Object.fromEntries(
      Array.from({ length: count }, (_, n) => [
        `member-${from + n}`,
        { metas: [{ ...metaOf(from + n), phx_ref: `${from + n}` }] },
      ]),
    )
    const copy = new PresenceCopy(JSON.parse(JSON.stringify(state)) as ReturnType<typeof present>)
    for (const page of copy.pages()) expect(page).not.toBe('')
    return copy
  }
  makeCopy(0)
  const before = heapBytes()
  const copy = makeCopy(count)
  expect((heapBytes() - before) / copy.bytes).toBeLessThan(1.25)
})
