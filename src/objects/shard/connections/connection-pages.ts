// Lists of a shard as pages with limits on items and bytes, and counts without a list. Pure.
import { TOP_USERS, type ConnectionCounts, type KeyedItem, type ShardPage } from '../../../rpc/shard-commands.ts'
import type { Connection } from './connection.ts'

/** An RPC takes 32 MiB, and a Worker holds the pages of several shards. */
const MAX_PAGE_BYTES = 1_048_576

/**
 * Returns the entries whose keys are greater than `after`, in the order of keys, at most `limit` and about a MiB. Sorts all
 * of them: 15 ms for 32,000.
 */
export function pageOf<T, R>(
  entries: Iterable<readonly [string, T]>,
  after: string,
  limit: number,
  toItem: (value: T) => R,
): ShardPage<R> {
  const rest = [...entries].filter(([key]) => key > after).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const items: KeyedItem<R>[] = []
  let bytes = 0
  for (const [key, value] of rest) {
    if (items.length >= limit || bytes >= MAX_PAGE_BYTES) break
    const item = toItem(value)
    bytes += key.length + JSON.stringify(item).length
    items.push({ key, item })
  }
  return { items, more: items.length < rest.length, bytes }
}

export function countConnections(connections: readonly Connection[]): ConnectionCounts {
  const byTransport: Record<string, number> = {}
  const byUser = new Map<string, number>()
  for (const { state } of connections) {
    const { owner, transport } = state
    byTransport[transport] = (byTransport[transport] ?? 0) + 1
    if (owner.user !== null) byUser.set(owner.user, (byUser.get(owner.user) ?? 0) + 1)
  }
  const most = [...byUser].toSorted(([, a], [, b]) => b - a).slice(0, TOP_USERS)
  const topUsers = most.map(([user, count]) => ({ user, connections: count }))
  return { connections: connections.length, users: byUser.size, byTransport, topUsers }
}
