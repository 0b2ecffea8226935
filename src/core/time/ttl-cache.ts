// A cache of a bounded number of values, each with an end. When it is full, the entry that was not used for the longest
// time goes. It keeps values, never promises: on Workers the I/O behind a promise belongs to one request. Pure.

interface CacheEntry<V> {
  readonly value: V
  readonly untilMs: number
}

/** A cache of at most `maxEntries` values with an expiry each. The least recently used value is evicted first. */
export class TtlCache<K, V> {
  readonly #maxEntries: number
  readonly #nowMs: () => number
  /** The entry that was not used for the longest time comes first. */
  readonly #entries = new Map<K, CacheEntry<V>>()

  constructor(maxEntries: number, nowMs: () => number) {
    this.#maxEntries = maxEntries
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#entries.size
  }

  /** Returns the value, or undefined when there is none or its time is over. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.untilMs <= this.#nowMs()) return undefined
    this.#put(key, entry)
    return entry.value
  }

  /** Returns the value also when its time is over: for a source that does not answer at the moment. */
  getStale(key: K): V | undefined {
    return this.#entries.get(key)?.value
  }

  /** `untilMs`: milliseconds since the epoch; Infinity for a value that never changes. */
  set(key: K, value: V, untilMs: number): void {
    this.#put(key, { value, untilMs })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > this.#maxEntries && oldest !== undefined) this.#entries.delete(oldest)
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  #put(key: K, entry: CacheEntry<V>): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }
}
