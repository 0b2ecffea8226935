import { expect, it } from 'vitest'
import { isCursor, readPage } from '../../../src/http/admin/shard-pages.ts'
import { pageOf } from '../../../src/objects/shard/connections/connection-pages.ts'

const range = (length: number) => Array.from({ length }, (_, index) => index)

/** Lists of shards, and how many calls wait at once at most. */
function shardsWith(lists: readonly (readonly string[])[], sizeOfItem = 1) {
  const calls = { atOnce: 0, most: 0, total: 0 }
  const ask = async (shard: number, after: string, limit: number) => {
    calls.total += 1
    calls.atOnce += 1
    calls.most = Math.max(calls.most, calls.atOnce)
    await Promise.resolve()
    calls.atOnce -= 1
    const entries = (lists[shard] ?? []).map((key) => [key, 'x'.repeat(sizeOfItem)] as const)
    return pageOf(entries, after, limit, (item) => item)
  }
  return { ask, calls }
}

async function readAll(lists: readonly (readonly string[])[], limit: number, sizeOfItem = 1) {
  const { ask, calls } = shardsWith(lists, sizeOfItem)
  const [keys, sizes]: [string[], number[]] = [[], []]
  let next: string | null | undefined
  while (next !== null) {
    expect(next === undefined || isCursor(next)).toBe(true)
    const page = await readPage(range(lists.length), next, limit, ask)
    keys.push(...page.items.map(({ key }) => key))
    sizes.push(page.items.length)
    next = page.next
  }
  return { keys, sizes, calls }
}

it.each([1, 2, 3, 7, 100])('pages of %i have every item once, in whichever shard', async (limit) => {
  // Empty shards first, between and last; keys that have the separator of cursors.
  const lists = range(40).map((shard) => range([0, 1, 9, 2][shard % 4] ?? 0).map((at) => `${shard}:${at}:\n`))
  const { calls, keys, sizes } = await readAll(lists, limit)
  expect(keys.toSorted()).toEqual(lists.flat().toSorted())
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limit)
  expect(calls.most).toBeLessThanOrEqual(6)
})

it('a page that few shards have something for asks a bounded number of them', async () => {
  const lists = range(2_000).map((shard) => (shard === 1_999 ? ['last'] : []))
  const { calls, keys, sizes } = await readAll(lists, 10)
  expect(keys).toEqual(['last'])
  expect(sizes).toHaveLength(Math.ceil(2_000 / 258))
  expect(calls.total).toBe(2_000)
})

it('a page of large items is cut by size, and none is left out', async () => {
  const lists = range(30).map((shard) => range(5).map((at) => `${shard}-${at}`))
  const { keys, sizes } = await readAll(lists, 10_000, 400_000)
  expect(keys.toSorted()).toEqual(lists.flat().toSorted())
  // Each shard gives three items, more than a MiB, and then the rest.
  expect(Math.max(...sizes)).toBeLessThanOrEqual(24)
})
