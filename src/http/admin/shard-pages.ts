// Lists over all shards as pages. The cursor is a shard and a key there, so that a page asks only the shards that it needs.
import { TOP_USERS, type ConnectionCounts, type KeyedItem, type ShardPage } from '../../rpc/shard-commands.ts'

/** One page of a list over all shards. `next` is the cursor of the next page, null after the last one. */
export interface ListPage<T> {
  readonly items: readonly KeyedItem<T>[]
  readonly next: string | null
}

/** Shards asked for one page. A page of a filter that finds little may be short, or empty, and still have a `next`. */
const SHARDS_PER_PAGE = 256
/** The platform limits a Worker to six calls that wait at the same time. */
const AT_ONCE = 6
/** No further shard is asked for a page of this size. One of AT_ONCE shards adds at most a MiB and one item. */
const PAGE_BYTES = 8 * 1_048_576

/** What can be passed as `after`. */
export const CURSOR = /^(\d{1,10}):(.*)$/su

/** True for what can be passed as `after`. */
export function isCursor(text: string): boolean {
  return CURSOR.test(text)
}

/**
 * Reads the page after the cursor `after`, undefined for the first page. `shards` is ascending. An item that comes while
 * pages are read is in a later page or in none; no item is in two pages. A user that moves to another shard meanwhile may
 * be in two pages, or in none.
 */
export async function readPage<T>(
  shards: readonly number[],
  after: string | undefined,
  limit: number,
  ask: (shard: number, after: string, limit: number) => Promise<ShardPage<T>>,
): Promise<ListPage<T>> {
  const [, first = '0', key = ''] = CURSOR.exec(after ?? '') ?? []
  const ahead = shards.filter((shard) => shard >= Number(first))
  const items: KeyedItem<T>[] = []
  let bytes = 0
  for (let at = 0; at < ahead.length; at += AT_ONCE) {
    const next = ahead[at]
    if (next !== undefined && (items.length >= limit || bytes >= PAGE_BYTES || at >= SHARDS_PER_PAGE))
      return { items, next: `${next}:` }
    const wanted = limit - items.length
    const asked = ahead.slice(at, at + AT_ONCE)
    const pages = await Promise.all(asked.map((shard) => ask(shard, shard === Number(first) ? key : '', wanted)))
    for (const [index, page] of pages.entries()) {
      const taken = page.items.slice(0, limit - items.length)
      items.push(...taken)
      bytes += page.bytes
      const isCut = page.more || taken.length < page.items.length
      // A shard of which nothing was taken is asked again from its start, or from where this page began in it.
      const begun = asked[index] === Number(first) ? key : ''
      if (isCut) return { items, next: `${asked[index]}:${taken.at(-1)?.key ?? begun}` }
    }
  }
  return { items, next: null }
}

export function sumCounts(counts: readonly ConnectionCounts[]): ConnectionCounts {
  const byTransport: Record<string, number> = {}
  for (const [transport, count] of counts.flatMap((one) => Object.entries(one.byTransport)))
    byTransport[transport] = (byTransport[transport] ?? 0) + count
  const topUsers = counts
    .flatMap((one) => one.topUsers)
    .toSorted((a, b) => b.connections - a.connections)
    .slice(0, TOP_USERS)
  const total = (of: 'connections' | 'users') => counts.reduce((sum, one) => sum + one[of], 0)
  return { connections: total('connections'), users: total('users'), byTransport, topUsers }
}

/** A user who is moving to another shard may be in a page twice. */
export function sumByUser(items: ListPage<number>['items']): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const { item, key } of items) counts.set(key, (counts.get(key) ?? 0) + item)
  return Object.fromEntries(counts)
}
