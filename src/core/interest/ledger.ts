// The Directory's side of interest: what every shard has declared, and what has changed since a version. Versions grow by
// one with each change, within one epoch of the Directory's storage. Persisted by objects/directory/interest-store.ts.
// Pure. The follower's side is table.ts.
import type { ShardMap } from '../shard-map/shard-map.ts'
import { isSameBitmap } from './bitmap.ts'

/** The interest of one shard in event types. */
export interface ShardBitmap {
  readonly shard: number
  /** Version of its last change. */
  readonly version: number
  /** See bitmap.ts. */
  readonly bitmap: Uint8Array
}

/** A shard with a subscriber who watches a user of another shard. Exact: watched users are no bitmap. */
export interface UserWatch {
  readonly shard: number
  readonly user: string
  readonly version: number
  /** False: the watch has ended. */
  readonly isWatched: boolean
}

/** All changes after version `after`, up to `version`. Bitmaps and watches are whole values: the newest version wins. */
export interface InterestUpdate {
  /** Identifies the Directory's storage. Versions of different epochs cannot be compared; later epochs sort after. */
  readonly epoch: string
  /** 0: the update is complete, what it does not mention does not exist in this epoch. */
  readonly after: number
  readonly version: number
  readonly bitmaps: readonly ShardBitmap[]
  readonly watches: readonly UserWatch[]
  /** The newest map: it travels with interest, and is a whole value too. Absent from Directories of versions before. */
  readonly shardMap?: ShardMap
}

/** What a shard wants from now on. */
export interface InterestDeclaration {
  readonly shard: number
  /** The epoch of the Directory that the shard knows. Null: none yet. */
  readonly epoch: string | null
  /** Grows with each declaration of the shard: a declaration that arrives late, after a newer one, is ignored. */
  readonly sequence: number
  readonly bitmap: Uint8Array
  /** Users to watch, besides those that are watched. If `isComplete`, all of them. */
  readonly watch: readonly string[]
  readonly unwatch: readonly string[]
  readonly isComplete: boolean
}

/** A row of the Directory's storage. */
export interface DeclaredBitmap extends ShardBitmap {
  readonly sequence: number
}

/** What a declaration changed: rows to be stored. */
export interface LedgerChange {
  /** Every follower that has reached this version knows what was declared. */
  readonly version: number
  readonly bitmap: DeclaredBitmap | null
  readonly watches: readonly UserWatch[]
}

/** Ended watches that are remembered. A follower that is further behind gets a complete update. */
const MAX_ENDED_WATCHES = 10_000

/** The interest of all shards, in memory. Each change returns the rows that its caller has to store. */
export class InterestLedger {
  readonly epoch: string
  readonly #bitmaps = new Map<number, DeclaredBitmap>()
  /** Shard → user → watch, ended ones included. */
  readonly #watches = new Map<number, Map<string, UserWatch>>()
  #ended = 0
  #version: number
  /** Ended watches up to this version have been forgotten. */
  #floor = 0

  constructor(
    epoch: string,
    version: number,
    bitmaps: Iterable<DeclaredBitmap> = [],
    watches: Iterable<UserWatch> = [],
  ) {
    this.epoch = epoch
    this.#version = version
    for (const row of bitmaps) this.#bitmaps.set(row.shard, row)
    for (const row of watches) this.#setWatch(row)
  }

  get version(): number {
    return this.#version
  }

  /** Takes a declaration. It gets a new version only if it changes something. */
  declare(declaration: InterestDeclaration): LedgerChange {
    const { bitmap, sequence, shard } = declaration
    const known = this.#bitmaps.get(shard)
    if (known !== undefined && sequence <= known.sequence) return this.#unchanged(shard)
    const watches = this.#changedWatches(declaration)
    const isSame = known !== undefined && isSameBitmap(known.bitmap, bitmap)
    if (isSame && watches.length === 0) return this.#unchanged(shard)
    this.#version += 1
    const row = { shard, sequence, bitmap, version: isSame ? known.version : this.#version }
    this.#bitmaps.set(shard, row)
    const version = this.#version
    const rows = watches.map((watch): UserWatch => ({ ...watch, shard, version }))
    for (const watch of rows) this.#setWatch(watch)
    this.#forgetEndedWatches()
    return { version, bitmap: row, watches: rows }
  }

  /** Everything that changed after a version of this epoch; complete if `after` is 0 or too long ago. */
  since(after: number): InterestUpdate {
    const from = after < this.#floor ? 0 : after
    const isChanged = ({ version }: { version: number }) => version > from
    const bitmaps = [...this.#bitmaps.values()].filter(isChanged)
    const watches = [...this.#watches.values()].flatMap((users) => [...users.values()].filter(isChanged))
    return {
      epoch: this.epoch,
      after: from,
      version: this.#version,
      bitmaps: bitmaps.map(({ bitmap, shard, version }) => ({ bitmap, shard, version })),
      watches: from === 0 ? watches.filter(({ isWatched }) => isWatched) : watches,
    }
  }

  /** The newest version that concerns the shard: its declaration may have been stored by an attempt whose answer was lost. */
  #unchanged(shard: number): LedgerChange {
    const watches = [...(this.#watches.get(shard)?.values() ?? [])]
    const versions = [this.#bitmaps.get(shard)?.version ?? 0, ...watches.map(({ version }) => version)]
    return { version: versions.reduce((a, b) => Math.max(a, b)), bitmap: null, watches: [] }
  }

  #changedWatches({ isComplete, shard, unwatch, watch }: InterestDeclaration) {
    const known = this.#watches.get(shard) ?? new Map<string, UserWatch>()
    const isWatched = (user: string) => known.get(user)?.isWatched === true
    const wanted = new Set(watch)
    const ended = isComplete ? [...known.keys()].filter((user) => !wanted.has(user)) : unwatch
    return [
      ...[...wanted].filter((user) => !isWatched(user)).map((user) => ({ user, isWatched: true })),
      ...ended.filter(isWatched).map((user) => ({ user, isWatched: false })),
    ]
  }

  #setWatch(watch: UserWatch): void {
    const users = this.#watches.get(watch.shard) ?? new Map<string, UserWatch>()
    this.#watches.set(watch.shard, users)
    if (users.get(watch.user)?.isWatched === false) this.#ended -= 1
    if (!watch.isWatched) this.#ended += 1
    users.set(watch.user, watch)
  }

  #forgetEndedWatches(): void {
    if (this.#ended <= MAX_ENDED_WATCHES) return
    for (const users of this.#watches.values()) {
      for (const [user, { isWatched }] of users) if (!isWatched) users.delete(user)
    }
    this.#ended = 0
    this.#floor = this.#version
  }
}
