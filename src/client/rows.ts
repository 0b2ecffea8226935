// The rows of a table, as a read-only Map of which each version stays what it was. A page may look at the rows after each of a thousand
// changes a second: a change costs as much as one row, not as much as all. For table.ts.

/** What a version has that the next one has not; `value` undefined: no row of the key. */
interface Before<V> {
  readonly key: string
  readonly value: V | undefined
  readonly next: Rows<V>
}

/**
 * One version. The newest holds the rows; an older one holds only in what it differs from the next, and copies the rows when it is
 * read. An older version may have its rows in another order.
 */
export class Rows<V> implements ReadonlyMap<string, V> {
  /** Frameworks tell by it what they have: Vue makes a `ref` of it as of a Map. */
  readonly [Symbol.toStringTag] = 'Map'
  /** Either this, or what the next version has changed. */
  #map: Map<string, V> | Before<V>
  /** Versions before this one since the rows were last copied. */
  #changes = 0
  /** Iterators that have not come to their end: they go over the rows of this version. */
  #iterators = 0

  /** `map` belongs to this object from here on. */
  constructor(map: Map<string, V> = new Map()) {
    this.#map = map
  }

  /** Returns the next version; the same if nothing changes. `value` undefined: without the row. */
  with(key: string, value: V | undefined): Rows<V> {
    const map = this.#read()
    const before = map.get(key)
    if (before === value) return this
    // After as many changes as there are rows, a copy costs little beside them. Versions before, which a page may keep, then keep no more.
    const isCopied = this.#iterators > 0 || this.#changes >= map.size
    const next = new Rows(isCopied ? new Map(map) : map)
    if (!isCopied) {
      this.#map = { key, value: before, next }
      next.#changes = this.#changes + 1
    }
    write(next.#read(), key, value)
    return next
  }

  get size(): number {
    return this.#read().size
  }

  get(key: string): V | undefined {
    return this.#read().get(key)
  }

  has(key: string): boolean {
    return this.#read().has(key)
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void, thisArg?: unknown): void {
    for (const [key, value] of this) callback.call(thisArg, value, key, this)
  }

  *entries(): Generator<[string, V], undefined> {
    const map = this.#read()
    this.#iterators += 1
    try {
      yield* map
    } finally {
      this.#iterators -= 1
    }
  }

  *keys(): Generator<string, undefined> {
    for (const [key] of this.entries()) yield key
  }

  *values(): Generator<V, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): Generator<[string, V], undefined> {
    return this.entries()
  }

  #read(): Map<string, V> {
    if (this.#map instanceof Map) return this.#map
    const changes: Before<V>[] = []
    let found: Map<string, V> | Before<V> = this.#map
    for (; !(found instanceof Map); found = found.next.#map) changes.push(found)
    const map = new Map(found)
    for (let last = changes.pop(); last !== undefined; last = changes.pop()) write(map, last.key, last.value)
    this.#map = map
    return map
  }
}

function write<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}
