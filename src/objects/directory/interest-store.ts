// What the Directory stores about interest: SQL for `life`, `shard_interests`, `user_watches`, `followers`, `first_seen` and `unrecovered`.
// The rules are in core/interest/ledger.ts. Used by directory.ts.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { bitmapOf } from '../../core/interest/bitmap.ts'
import {
  InterestLedger,
  type DeclaredBitmap,
  type InterestDeclaration,
  type InterestUpdate,
  type UserWatch,
} from '../../core/interest/ledger.ts'
import type { TopicCount } from '../../rpc/directory.ts'
import { userOfWatchTopic } from '../../core/subscriptions/watch-topic.ts'

interface BitmapRow extends Record<string, SqlStorageValue> {
  shard: number
  version: number
  sequence: number
  bitmap: ArrayBuffer
}

interface WatchRow extends Record<string, SqlStorageValue> {
  shard: number
  user: string
  version: number
  is_watched: number
}

export class InterestStore {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage
  readonly #ledger: InterestLedger

  /**
   * `newEpoch` is the epoch of this storage if it is new. It must sort after earlier epochs. The table and its column are
   * still called `life`, as when they were made.
   */
  constructor(storage: DurableObjectStorage, newEpoch: string) {
    this.#storage = storage
    this.#sql = storage.sql
    storage.transactionSync(() => this.#createTables(newEpoch))
    const { epoch } = this.#sql.exec<{ epoch: string }>('SELECT life AS epoch FROM life').one()
    const bitmaps = this.#sql.exec<BitmapRow>('SELECT * FROM shard_interests').toArray().map(toBitmap)
    const watches = this.#sql.exec<WatchRow>('SELECT * FROM user_watches').toArray().map(toWatch)
    const versions = [...bitmaps, ...watches].map(({ version }) => version)
    this.#ledger = new InterestLedger(
      epoch,
      versions.reduce((a, b) => Math.max(a, b), 0),
      bitmaps,
      watches,
    )
  }

  get epoch(): string {
    return this.#ledger.epoch
  }

  get version(): number {
    return this.#ledger.version
  }

  /** Stores a declaration. Returns the version at which every follower knows it. */
  declare(declaration: InterestDeclaration): number {
    const { bitmap, version, watches } = this.#ledger.declare(declaration)
    this.#storage.transactionSync(() => {
      if (bitmap !== null) this.#putBitmap(bitmap)
      for (const watch of watches) this.#putWatch(watch)
    })
    return version
  }

  since(version: number): InterestUpdate {
    return this.#ledger.since(version)
  }

  addFollower({ topic, partition }: TopicPartition): void {
    this.#sql.exec('INSERT OR IGNORE INTO followers VALUES (?, ?)', topic, partition)
  }

  followers(): readonly TopicPartition[] {
    return this.#sql.exec<{ topic: string; partition: number }>('SELECT topic, partition FROM followers').toArray()
  }

  /** False in a new storage, until the followers that may know of an earlier epoch have been found. */
  get hasFoundFollowers(): boolean {
    return this.#sql.exec<{ found: number }>('SELECT has_found_followers AS found FROM life').one().found === 1
  }

  foundFollowers(): void {
    this.#sql.exec('UPDATE life SET has_found_followers = 1')
  }

  /** False in a new storage, until all shards have declared what they want. */
  get isRecovered(): boolean {
    return this.#sql.exec('SELECT 1 FROM unrecovered').toArray().length === 0
  }

  recovered(): void {
    this.#sql.exec('DELETE FROM unrecovered')
  }

  /** Returns the number of partitions that the topic had at the first call for it. The first call stores `count`. */
  firstSeenPartitions(topic: string, count: number): number {
    this.#sql.exec('INSERT OR IGNORE INTO first_seen VALUES (?, ?)', topic, count)
    return this.#sql.exec<{ partitions: number }>('SELECT partitions FROM first_seen WHERE topic = ?', topic).one()
      .partitions
  }

  /** The same for the topics of patterns. A topic that came after the first call for these patterns had no partition then. */
  firstSeenMatched(patterns: string, counts: readonly TopicCount[]): readonly number[] {
    // Names of topics have no colon.
    const key = `patterns:${patterns}`
    const isKnown = this.#sql.exec('SELECT 1 FROM first_seen WHERE topic = ?', key).toArray().length > 0
    const seen = counts.map(({ count, topic }) => this.firstSeenPartitions(topic, isKnown ? 0 : count))
    if (!isKnown) this.firstSeenPartitions(key, 0)
    return seen
  }

  #putBitmap({ bitmap, sequence, shard, version }: DeclaredBitmap): void {
    this.#sql.exec('INSERT OR REPLACE INTO shard_interests VALUES (?, ?, ?, ?)', shard, version, sequence, bitmap)
  }

  #putWatch({ isWatched, shard, user, version }: UserWatch): void {
    this.#sql.exec('INSERT OR REPLACE INTO user_watches VALUES (?, ?, ?, ?)', shard, user, version, isWatched ? 1 : 0)
  }

  #createTables(newEpoch: string): void {
    const hasNames = this.#hasTable('interests')
    const isNew = !hasNames && !this.#hasTable('life')
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS life (id INTEGER PRIMARY KEY, life TEXT NOT NULL, has_found_followers INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS shard_interests (
        shard INTEGER PRIMARY KEY, version INTEGER NOT NULL, sequence INTEGER NOT NULL, bitmap BLOB NOT NULL
      );
      CREATE TABLE IF NOT EXISTS user_watches (
        shard INTEGER NOT NULL, user TEXT NOT NULL, version INTEGER NOT NULL, is_watched INTEGER NOT NULL,
        PRIMARY KEY (shard, user)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS followers (topic TEXT NOT NULL, partition INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS first_seen (topic TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS unrecovered (id INTEGER PRIMARY KEY);
    `)
    if (isNew) this.#sql.exec('INSERT OR IGNORE INTO unrecovered VALUES (0)')
    // Storage of a version before bitmaps knows its followers.
    this.#sql.exec('INSERT OR IGNORE INTO life VALUES (0, ?, ?)', newEpoch, hasNames ? 1 : 0)
    if (hasNames) this.#convertNames()
  }

  /** Versions before bitmaps stored the names of types. */
  #convertNames(): void {
    const rows = this.#sql.exec<{ shard: number; type: string }>('SELECT shard, type FROM interests').toArray()
    for (const [shard, group] of Map.groupBy(rows, (row) => row.shard)) {
      const types = group.map(({ type }) => type).filter((type) => userOfWatchTopic(type) === undefined)
      this.#putBitmap({ shard, version: 1, sequence: 0, bitmap: bitmapOf(types) })
      for (const { type } of group) {
        const user = userOfWatchTopic(type)
        if (user !== undefined) this.#putWatch({ shard, user, version: 1, isWatched: true })
      }
    }
    this.#sql.exec('DROP TABLE interests')
    this.#sql.exec('DROP TABLE IF EXISTS version')
  }

  #hasTable(name: string): boolean {
    return this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name).toArray().length > 0
  }
}

function toBitmap({ bitmap, sequence, shard, version }: BitmapRow): DeclaredBitmap {
  return { shard, version, sequence, bitmap: new Uint8Array(bitmap) }
}

function toWatch({ is_watched: isWatched, shard, user, version }: WatchRow): UserWatch {
  return { shard, user, version, isWatched: isWatched === 1 }
}
