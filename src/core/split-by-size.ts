// Cuts a list into parts that each fit into one row, call or request. Pure.

/**
 * Returns the items in order, in parts whose sizes add up to `maxSize` at most, in whatever unit `sizeOf` returns. An item
 * that is larger than `maxSize` is a part of its own. Returns no empty part. `mayPart`: whether a part may end between two items.
 */
export function splitBySize<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  maxSize: number,
  mayPart: (before: T, after: T) => boolean = () => true,
): readonly (readonly T[])[] {
  if (items.length === 1) return [items]
  const parts: (readonly T[])[] = []
  let from = 0
  let size = 0
  let at = 0
  let before: T | undefined
  for (const item of items) {
    const own = sizeOf(item)
    if (at > from && size + own > maxSize && mayPart(before as T, item)) {
      parts.push(items.slice(from, at))
      from = at
      size = 0
    }
    size += own
    at += 1
    before = item
  }
  if (from < items.length) parts.push(items.slice(from))
  return parts
}
