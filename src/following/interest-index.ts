// What a follower stores about interest: SQL for `shard_interests`, `user_watches` and `interest_version`. The rules are in
// core/interest/table.ts. Used by the object that follows a partition, and by assign-shards.ts.
import { bitmapOf } from '../core/interest/bitmap.ts'
import type { InterestUpdate, ShardBitmap, UserWatch } from '../core/interest/ledger.ts'
import { InterestTable, type InterestVersion } from '../core/interest/table.ts'
import type { InterestState } from '../rpc/follower.ts'
import { userOfWatchTopic } from '../core/subscriptions/watch-topic.ts'

/** Sorts before every epoch of a Directory: the first update has another epoch, and is complete. */
const EPOCH_BEFORE_BITMAPS = ''

interface FollowedBitmapRow extends Record<string, SqlStorageValue> {
  shard: number
  version: number
  bitmap: ArrayBuffer
  is_orphan: number
}

interface VersionRow extends Record<string, SqlStorageValue> {
  epoch: string
  version: number
}

type Watch = Pick<UserWatch, 'shard' | 'user'>

export class InterestIndex {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  /** Equals the tables at every await. */
  #table: InterestTable

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
    storage.transactionSync(() => this.#createTables())
    this.#table = this.#load()
  }

  /** Null: no update was applied yet, and no event may be routed. */
  get at(): InterestVersion | null {
    return this.#table.at
  }

  /** See InterestTable.orphans. */
  get orphans(): readonly number[] {
    return this.#table.orphans
  }

  /** Shards that may want events of this type. See InterestTable.shardsOf. */
  shardsOf(type: string): ReadonlySet<number> {
    return this.#table.shardsOf(type)
  }

  /** Shards where the user is watched, besides the user's own. */
  watchersOf(user: string): ReadonlySet<number> {
    return this.#table.watchersOf(user)
  }

  /** Applies an update if it is the next one, durably. Returns the version of the update's epoch that the follower has. */
  apply(update: InterestUpdate): number | null {
    const hadOrphans = this.orphans.length > 0
    if (this.#table.apply(update) === 'applied') {
      try {
        const isWhole = update.after === 0 || hadOrphans
        const row = isWhole ? undefined : onlyRowOf(update)
        if (row === undefined) this.#storage.transactionSync(() => (isWhole ? this.#storeAll() : this.#store(update)))
        else this.#putBitmap(row, false)
      } catch (error) {
        this.#table = this.#load()
        throw error
      }
    }
    const { at } = this.#table
    return at?.epoch === update.epoch ? at.version : null
  }

  /** Applies an update. Returns the state that the Directory expects as the answer. */
  applyUpdate(update: InterestUpdate): InterestState {
    return { version: this.apply(update), orphans: this.orphans }
  }

  #load(): InterestTable {
    const stored = this.#sql.exec<VersionRow>('SELECT life AS epoch, version FROM interest_version').toArray()[0]
    const rows = this.#sql.exec<FollowedBitmapRow>('SELECT * FROM shard_interests').toArray()
    // Versions of orphans are of another epoch. See onlyRowOf.
    const newest = Math.max(0, ...rows.filter((row) => row.is_orphan === 0).map(({ version }) => version))
    const at = stored === undefined ? null : { ...stored, version: Math.max(stored.version, newest) }
    const watches = this.#sql.exec<{ shard: number; user: string }>('SELECT shard, user FROM user_watches').toArray()
    const bitmaps = rows.map(({ bitmap, shard, version }) => ({ shard, version, bitmap: new Uint8Array(bitmap) }))
    const orphans = rows.filter((row) => row.is_orphan === 1).map(({ shard }) => shard)
    return new InterestTable(at, bitmaps, watches, orphans)
  }

  #store({ bitmaps, epoch, version, watches }: InterestUpdate): void {
    for (const row of bitmaps) this.#putBitmap(row, false)
    for (const { isWatched, shard, user } of watches) {
      if (isWatched) this.#putWatch({ shard, user })
      else this.#sql.exec('DELETE FROM user_watches WHERE shard = ? AND user = ?', shard, user)
    }
    this.#putVersion({ epoch, version })
  }

  #storeAll(): void {
    const { at, bitmaps, orphans, watches } = this.#table
    this.#sql.exec('DELETE FROM shard_interests; DELETE FROM user_watches')
    const isOrphan = new Set(orphans)
    for (const row of bitmaps) this.#putBitmap(row, isOrphan.has(row.shard))
    for (const watch of watches) this.#putWatch(watch)
    if (at !== null) this.#putVersion(at)
  }

  #putBitmap({ bitmap, shard, version }: ShardBitmap, isOrphan: boolean): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO shard_interests VALUES (?, ?, ?, ?)',
      shard,
      version,
      bitmap,
      isOrphan ? 1 : 0,
    )
  }

  #putWatch({ shard, user }: Watch): void {
    this.#sql.exec('INSERT OR REPLACE INTO user_watches VALUES (?, ?)', shard, user)
  }

  #putVersion({ epoch, version }: InterestVersion): void {
    this.#sql.exec('INSERT OR REPLACE INTO interest_version (id, life, version) VALUES (0, ?, ?)', epoch, version)
  }

  #createTables(): void {
    const hasNames = this.#hasTable('interests')
    if (hasNames)
      this.#sql.exec(`ALTER TABLE interest_version ADD COLUMN life TEXT NOT NULL DEFAULT '${EPOCH_BEFORE_BITMAPS}'`)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS shard_interests (
        shard INTEGER PRIMARY KEY, version INTEGER NOT NULL, bitmap BLOB NOT NULL, is_orphan INTEGER NOT NULL
      );
      CREATE TABLE IF NOT EXISTS user_watches (shard INTEGER NOT NULL, user TEXT NOT NULL, PRIMARY KEY (shard, user)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS interest_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, life TEXT NOT NULL);
    `)
    if (hasNames) this.#convertNames()
  }

  /** Versions before bitmaps stored the names of types. */
  #convertNames(): void {
    const rows = this.#sql.exec<{ shard: number; type: string }>('SELECT shard, type FROM interests').toArray()
    for (const [shard, group] of Map.groupBy(rows, (row) => row.shard)) {
      const types = group.map(({ type }) => type)
      const users = types.map(userOfWatchTopic).filter((user) => user !== undefined)
      const bitmap = bitmapOf(types.filter((type) => userOfWatchTopic(type) === undefined))
      this.#putBitmap({ shard, version: 0, bitmap }, false)
      for (const user of users) this.#putWatch({ shard, user })
    }
    this.#sql.exec('DROP TABLE interests')
  }

  #hasTable(name: string): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).toArray().length > 0
  }
}

/**
 * Returns the row of an update that changes the bitmap of one shard and nothing else; undefined: it changes more. The row has
 * the version of the update, so that it is stored alone: each follower writes for a new type, and there may be thousands.
 */
function onlyRowOf({ bitmaps, version, watches }: InterestUpdate): ShardBitmap | undefined {
  const [row, ...others] = bitmaps
  return others.length === 0 && watches.length === 0 && row?.version === version ? row : undefined
}
