// A follower's side of interest: what it knows of all shards, and which of them an event concerns. Updates come from the
// Directory (ledger.ts). Persisted by following/interest-index.ts. Pure.
import { matchBitsOf, mayWant } from './bitmap.ts'
import type { InterestUpdate, ShardBitmap, UserWatch } from './ledger.ts'

/** The newest update that was applied. `epoch` identifies the Directory's storage; later epochs sort behind earlier ones. */
export interface InterestVersion {
  readonly epoch: string
  readonly version: number
}

/**
 * `behind`: an update before this one is missing, nothing was applied. `known`: applied before. `outdated`: it is of an
 * earlier epoch of the Directory, and was under way for long.
 */
export type Applied = 'applied' | 'known' | 'behind' | 'outdated'

const NO_SHARDS: ReadonlySet<number> = new Set()

/** Types whose shards are remembered. Producers that make up types must not fill the memory. */
const MAX_CACHED_TYPES = 10_000

/** The interest of all shards as one follower knows it, in memory. The caller stores each update that was applied. */
export class InterestTable {
  readonly #bitmaps = new Map<number, ShardBitmap>()
  /** User → shards where the user is watched. */
  readonly #watches = new Map<string, Set<number>>()
  /**
   * Shards that this epoch of the Directory has not heard of. Their interest is kept until they declare it anew: a Directory
   * that lost its storage must not make followers forget what shards want.
   */
  readonly #orphans = new Set<number>()
  /** Type → shards, since the last change. */
  readonly #cache = new Map<string, ReadonlySet<number>>()
  #at: InterestVersion | null

  constructor(
    at: InterestVersion | null,
    bitmaps: Iterable<ShardBitmap> = [],
    watches: Iterable<Pick<UserWatch, 'shard' | 'user'>> = [],
    orphans: Iterable<number> = [],
  ) {
    this.#at = at
    for (const row of bitmaps) this.#bitmaps.set(row.shard, row)
    for (const { shard, user } of watches) this.#watch(user, shard)
    for (const shard of orphans) this.#orphans.add(shard)
  }

  /** Null: no update was applied yet, and no event may be routed. */
  get at(): InterestVersion | null {
    return this.#at
  }

  get orphans(): readonly number[] {
    return [...this.#orphans]
  }

  get bitmaps(): readonly ShardBitmap[] {
    return [...this.#bitmaps.values()]
  }

  get watches(): readonly Pick<UserWatch, 'shard' | 'user'>[] {
    return [...this.#watches].flatMap(([user, shards]) => [...shards].map((shard) => ({ shard, user })))
  }

  /**
   * Returns the shards that may want an event of this type, with or without recipients. Returns the same set until interest
   * changes, and never changes a set, because a batch that was routed by it may be sent later.
   */
  shardsOf(type: string): ReadonlySet<number> {
    const cached = this.#cache.get(type)
    if (cached !== undefined) return cached
    const bits = matchBitsOf(type)
    const found = [...this.#bitmaps.values()].filter(({ bitmap }) => mayWant(bitmap, bits))
    const shards = found.length === 0 ? NO_SHARDS : new Set(found.map(({ shard }) => shard))
    if (this.#cache.size < MAX_CACHED_TYPES) this.#cache.set(type, shards)
    return shards
  }

  /** Shards where the user is watched, besides the user's own shard. */
  watchersOf(user: string): ReadonlySet<number> {
    return this.#watches.get(user) ?? NO_SHARDS
  }

  /** Applies an update whole, or not at all. Applying it twice does no harm. */
  apply(update: InterestUpdate): Applied {
    const isSameEpoch = this.#at?.epoch === update.epoch
    if (this.#at !== null && update.epoch < this.#at.epoch) return 'outdated'
    if (this.#at !== null && isSameEpoch && update.version <= this.#at.version) return 'known'
    if (update.after > 0 && (this.#at === null || !isSameEpoch || update.after > this.#at.version)) return 'behind'
    if (update.after === 0) this.#startAnew(update, isSameEpoch)
    for (const row of update.bitmaps) this.#setBitmap(row)
    for (const { isWatched, shard, user } of update.watches) {
      if (isWatched) this.#watch(user, shard)
      else this.#unwatch(user, shard)
    }
    this.#cache.clear()
    this.#at = { epoch: update.epoch, version: update.version }
    return 'applied'
  }

  /** A complete update: forgets what it does not mention, except the interest of orphans. */
  #startAnew({ bitmaps, watches }: InterestUpdate, isSameEpoch: boolean): void {
    const mentioned = new Set([...bitmaps, ...watches].map(({ shard }) => shard))
    const isKept = (shard: number) => !mentioned.has(shard) && (!isSameEpoch || this.#orphans.has(shard))
    const keptBitmaps = this.bitmaps.filter(({ shard }) => isKept(shard))
    const keptWatches = this.watches.filter(({ shard }) => isKept(shard))
    for (const collection of [this.#bitmaps, this.#watches, this.#orphans]) collection.clear()
    for (const row of keptBitmaps) this.#bitmaps.set(row.shard, row)
    for (const { shard, user } of keptWatches) this.#watch(user, shard)
    for (const { shard } of [...keptBitmaps, ...keptWatches]) this.#orphans.add(shard)
  }

  #setBitmap(row: ShardBitmap): void {
    // The first declaration in this epoch is complete: the shard's watches of the epoch before end with it.
    if (this.#orphans.delete(row.shard)) for (const user of this.#watches.keys()) this.#unwatch(user, row.shard)
    this.#bitmaps.set(row.shard, row)
  }

  #watch(user: string, shard: number): void {
    const shards = this.#watches.get(user) ?? new Set()
    this.#watches.set(user, shards.add(shard))
  }

  #unwatch(user: string, shard: number): void {
    const shards = this.#watches.get(user)
    shards?.delete(shard)
    if (shards?.size === 0) this.#watches.delete(user)
  }
}
