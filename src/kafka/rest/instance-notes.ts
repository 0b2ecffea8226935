// Which consumer instance a follower has, written down: SQL for `rest_instances`. Durable Objects are not told when they
// end, and Karapace and Strimzi keep an instance for ever by default, so that each deploy would leave one behind. The next
// life of the follower ends what this one has left. Callers without storage, which never fetch, have no notes.
import type { Instance } from './instance.ts'

export interface InstanceNotes {
  read(key: string): Instance | undefined
  write(key: string, instance: Instance): void
}

interface InstanceRow extends Record<string, SqlStorageValue> {
  url: string
  cookie: string | null
}

export function createInstanceNotes(sql: SqlStorage): InstanceNotes {
  sql.exec('CREATE TABLE IF NOT EXISTS rest_instances (key TEXT PRIMARY KEY, url TEXT NOT NULL, cookie TEXT)')
  return {
    read: (key) => {
      const row = sql.exec<InstanceRow>('SELECT url, cookie FROM rest_instances WHERE key = ?', key).toArray()[0]
      return row === undefined ? undefined : { url: row.url, cookie: row.cookie ?? undefined }
    },
    write: (key, { cookie = null, url }) => {
      sql.exec('INSERT OR REPLACE INTO rest_instances VALUES (?, ?, ?)', key, url, cookie)
    },
  }
}
