// Which consumer instances a follower may have, written down: SQL for `rest_instances`. Durable Objects are not told when
// they end, and Karapace and Strimzi keep an instance for ever by default, so that each deploy would leave one behind. The
// next life of the follower ends what this one has left (instances.ts).
import type { Instance } from './consumer-instance.ts'

/** Of more than these the oldest are forgotten: a proxy that ends none must not fill the storage. */
const MAX_NOTES = 16

/** Of one follower, that is, of one partition. */
export interface InstanceJournal {
  /** The oldest first. */
  read(): readonly Instance[]
  add(instance: Instance): void
  remove(instance: Instance): void
}

interface InstanceRow extends Record<string, SqlStorageValue> {
  url: string
  cookie: string | null
}

export function createInstanceNotes(sql: SqlStorage): InstanceJournal {
  sql.exec('CREATE TABLE IF NOT EXISTS rest_instances (key TEXT PRIMARY KEY, url TEXT NOT NULL, cookie TEXT)')
  return {
    read: () => {
      const rows = sql.exec<InstanceRow>('SELECT url, cookie FROM rest_instances ORDER BY rowid').toArray()
      return rows.map(({ cookie, url }) => ({ url, cookie: cookie ?? undefined }))
    },
    // The key was the partition once, when one instance was noted.
    add: ({ cookie = null, url }) => {
      sql.exec('INSERT OR REPLACE INTO rest_instances VALUES (?, ?, ?)', url, url, cookie)
      const newest = 'SELECT rowid FROM rest_instances ORDER BY rowid DESC LIMIT ?'
      sql.exec(`DELETE FROM rest_instances WHERE rowid NOT IN (${newest})`, MAX_NOTES)
    },
    remove: ({ url }) => {
      sql.exec('DELETE FROM rest_instances WHERE url = ?', url)
    },
  }
}

/** For a reader without storage: what it leaves is known for as long as it lives. */
export function createPassingNotes(): InstanceJournal {
  const notes = new Map<string, Instance>()
  return {
    read: () => [...notes.values()],
    add: (instance) => {
      notes.set(instance.url, instance)
      const [oldest] = notes.keys()
      if (notes.size > MAX_NOTES && oldest !== undefined) notes.delete(oldest)
    },
    remove: ({ url }) => void notes.delete(url),
  }
}
