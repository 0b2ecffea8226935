// The API definitions that were made at run time: SQL for `apis` and `apis_version`. A deleted one stays, inactive, and so
// hides a definition of the same id that is deployed with the Worker.

export interface StoredApi {
  readonly id: string
  /** Grows with each change of this definition. */
  readonly version: number
  readonly document: Readonly<Record<string, unknown>>
  readonly updatedMs: number
}

interface ApiRow extends Record<string, SqlStorageValue> {
  readonly id: string
  readonly version: number
  readonly document: string
  readonly updated_ms: number
}

export class ApiStore {
  readonly #storage: DurableObjectStorage
  readonly #sql: SqlStorage

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
    this.#sql = storage.sql
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS apis (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, document TEXT NOT NULL, updated_ms INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS apis_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
      INSERT OR IGNORE INTO apis_version VALUES (0, 0);
    `)
  }

  /** In the order in which they were first made. */
  all(): readonly StoredApi[] {
    return this.#sql
      .exec<ApiRow>('SELECT id, version, document, updated_ms FROM apis ORDER BY position')
      .toArray()
      .map(toApi)
  }

  put(id: string, document: object, nowMs: number): void {
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        `INSERT INTO apis (id, version, document, updated_ms) VALUES (?1, 1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET version = version + 1, document = ?2, updated_ms = ?3`,
        id,
        JSON.stringify(document),
        nowMs,
      )
      this.#sql.exec('UPDATE apis_version SET version = version + 1')
    })
  }

  /** Grows with each change of any definition. */
  version(): number {
    return this.#sql.exec<{ version: number }>('SELECT version FROM apis_version').one().version
  }
}

function toApi({ id, version, document, updated_ms: updatedMs }: ApiRow): StoredApi {
  return { id, version, document: parseJson(document) as Record<string, unknown>, updatedMs }
}
import { parseJson } from '../../core/json.ts'
