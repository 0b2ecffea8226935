// What the Directory remembers: SQL for `interests`, `followers`, `first_seen` and `version`.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { InterestChange, InterestSnapshot } from '../../rpc/interest.ts'

export class InterestStore {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS interests (shard INTEGER NOT NULL, type TEXT NOT NULL, PRIMARY KEY (shard, type)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS followers (topic TEXT NOT NULL, partition INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS first_seen (topic TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
      INSERT OR IGNORE INTO version VALUES (0, 0);
    `)
  }

  /** Stores a change and numbers it. One that changes nothing is numbered too: followers have to confirm it all the same. */
  change(shard: number, gained: readonly string[], lost: readonly string[]): InterestChange {
    return this.#storage.transactionSync(() => {
      for (const type of gained) this.#sql.exec('INSERT OR IGNORE INTO interests VALUES (?, ?)', shard, type)
      for (const type of lost) this.#sql.exec('DELETE FROM interests WHERE shard = ? AND type = ?', shard, type)
      this.#sql.exec('UPDATE version SET version = version + 1')
      return { version: this.#version(), shard, gained, lost }
    })
  }

  addFollower({ topic, partition }: TopicPartition): void {
    this.#sql.exec('INSERT OR IGNORE INTO followers VALUES (?, ?)', topic, partition)
  }

  /** How many partitions the topic had when it was first asked for: `count`, if that is now. */
  firstSeenPartitions(topic: string, count: number): number {
    this.#sql.exec('INSERT OR IGNORE INTO first_seen VALUES (?, ?)', topic, count)
    return this.#sql.exec<{ partitions: number }>('SELECT partitions FROM first_seen WHERE topic = ?', topic).one()
      .partitions
  }

  followers(): readonly TopicPartition[] {
    return this.#sql.exec<{ topic: string; partition: number }>('SELECT topic, partition FROM followers').toArray()
  }

  snapshot(): InterestSnapshot {
    const rows = this.#sql.exec<{ shard: number; type: string }>('SELECT shard, type FROM interests').toArray()
    const byShard = Map.groupBy(rows, ({ shard }) => shard)
    const interests = [...byShard].map(([shard, of]) => ({ shard, types: of.map(({ type }) => type) }))
    return { version: this.#version(), interests }
  }

  #version(): number {
    return this.#sql.exec<{ version: number }>('SELECT version FROM version').one().version
  }
}
