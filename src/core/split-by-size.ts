// Cuts a list into parts that each fit into one row, call or request. Pure.

/**
 * Yields the items in order, in parts whose sizes add up to `maxSize` at most, in whatever unit `sizeOf` returns. An item
 * that is larger than `maxSize` is a part of its own. Yields no empty part. `mayPart`: whether a part may end between two items.
 */
export function* splitBySize<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  maxSize: number,
  mayPart: (before: T, after: T) => boolean = () => true,
): Generator<readonly T[]> {
  let from = 0
  let size = 0
  for (const [at, item] of items.entries()) {
    const own = sizeOf(item)
    const before = items[at - 1]
    if (at > from && size + own > maxSize && before !== undefined && mayPart(before, item)) {
      yield items.slice(from, at)
      from = at
      size = 0
    }
    size += own
  }
  if (from < items.length) yield items.slice(from)
}
