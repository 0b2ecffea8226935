// Records the consumer instances that a follower may still have, in the SQL table `rest_instances`. A Durable Object gets no
// notice before it ends, and Karapace and Strimzi keep instances for ever by default. So the restarted follower deletes
// the instances of this one (instance-pool.ts). And where partitions began, in `rest_starts`: one that begins at 0 again belongs
// to a new topic (instance-reader.ts).
import type { ConsumerInstance } from './consumer-instance.ts'

/** Above this the oldest entries are dropped, so that a proxy that never deletes cannot fill the storage. */
const MAX_ENTRIES = 16

/** The journal of one follower, that is, of one partition. */
export interface InstanceJournal {
  /** Returns the instances, oldest first. */
  read(): readonly ConsumerInstance[]
  add(instance: ConsumerInstance): void
  remove(instance: ConsumerInstance): void
  /** Returns the first offset that the partition had when it was last stored; 0 if it was not. */
  start(partition: string): number
  setStart(partition: string, earliest: number): void
}

interface InstanceRow extends Record<string, SqlStorageValue> {
  url: string
  cookie: string | null
}

/** Returns a journal in the follower's storage. */
export function createInstanceJournal(sql: SqlStorage): InstanceJournal {
  sql.exec('CREATE TABLE IF NOT EXISTS rest_instances (key TEXT PRIMARY KEY, url TEXT NOT NULL, cookie TEXT)')
  sql.exec('CREATE TABLE IF NOT EXISTS rest_starts (partition TEXT PRIMARY KEY, earliest INTEGER NOT NULL)')
  return {
    read: () => {
      const rows = sql.exec<InstanceRow>('SELECT url, cookie FROM rest_instances ORDER BY rowid').toArray()
      return rows.map(({ cookie, url }) => ({ url, cookie: cookie ?? undefined }))
    },
    // `key` held the partition in an older version, which recorded one instance.
    add: ({ cookie = null, url }) => {
      sql.exec('INSERT OR REPLACE INTO rest_instances VALUES (?, ?, ?)', url, url, cookie)
      const newest = 'SELECT rowid FROM rest_instances ORDER BY rowid DESC LIMIT ?'
      sql.exec(`DELETE FROM rest_instances WHERE rowid NOT IN (${newest})`, MAX_ENTRIES)
    },
    remove: ({ url }) => {
      sql.exec('DELETE FROM rest_instances WHERE url = ?', url)
    },
    start: (partition) => {
      const rows = sql.exec<{ earliest: number }>('SELECT earliest FROM rest_starts WHERE partition = ?', partition)
      return rows.toArray()[0]?.earliest ?? 0
    },
    setStart: (partition, earliest) => {
      sql.exec('INSERT OR REPLACE INTO rest_starts VALUES (?, ?)', partition, earliest)
    },
  }
}

/** Returns a journal in memory, for readers without storage. */
export function createMemoryJournal(): InstanceJournal {
  const instances = new Map<string, ConsumerInstance>()
  const starts = new Map<string, number>()
  return {
    read: () => [...instances.values()],
    add: (instance) => {
      instances.set(instance.url, instance)
      const [oldest] = instances.keys()
      if (instances.size > MAX_ENTRIES && oldest !== undefined) instances.delete(oldest)
    },
    remove: ({ url }) => void instances.delete(url),
    start: (partition) => starts.get(partition) ?? 0,
    setStart: (partition, earliest) => void starts.set(partition, earliest),
  }
}
