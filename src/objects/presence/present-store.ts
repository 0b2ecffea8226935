// Stores which connections are present on one topic, in the tables `present` and `waiting`. A user is shown with a limited number of
// connections. The others wait, and one of them takes the place of a connection that leaves, so that the user stays present. Used by presence-topic.ts.
import { heapBytesOf } from '../../core/text.ts'
import type { PresenceEnter, PresenceEntry } from '../../rpc/presence.ts'

/** Connections with which one user is shown: one user must not fill the state of a topic. */
const MAX_SHOWN_PER_NAME = 10
/** What the entries of a topic take of a shard that has a member of it, about: a shard keeps one copy of 8 MiB alone. */
const MAX_SHOWN_BYTES = 8_388_608
/** What an entry takes besides its name and its metadata, each of which a copy has twice. */
const ENTRY_BYTES = 400

interface PresentRow extends Record<string, SqlStorageValue> {
  connection_id: string
  name: string
  meta: string
}

/** `known`: nothing has changed. `full`: the connection is not shown. */
export type Entrance = 'shown' | 'known' | 'full'

export class PresentStore {
  readonly #sql: SqlStorage
  readonly #maxBytes: number
  #bytes: number

  constructor(sql: SqlStorage, maxBytes = MAX_SHOWN_BYTES) {
    this.#sql = sql
    this.#maxBytes = maxBytes
    sql.exec(`
      CREATE TABLE IF NOT EXISTS present (
        connection_id TEXT PRIMARY KEY, shard INTEGER NOT NULL, name TEXT NOT NULL, meta TEXT NOT NULL, leaves_at_ms INTEGER
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS waiting (connection_id TEXT PRIMARY KEY, shard INTEGER NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
      DROP INDEX IF EXISTS leaving_by_name;
      CREATE INDEX IF NOT EXISTS present_by_name ON present (name);
      CREATE INDEX IF NOT EXISTS waiting_by_name ON waiting (name);
      CREATE INDEX IF NOT EXISTS leaving_by_time ON present (leaves_at_ms) WHERE leaves_at_ms IS NOT NULL;
    `)
    // Not by LENGTH, which counts other characters than a text of JavaScript has.
    const rows = sql.exec<PresentRow>('SELECT * FROM present').toArray()
    this.#bytes = rows.reduce((sum, { meta, name }) => sum + bytesOf(name, meta), 0)
  }

  get isEmpty(): boolean {
    const query = 'SELECT EXISTS (SELECT 1 FROM present) OR EXISTS (SELECT 1 FROM waiting) AS found'
    return this.#sql.exec<{ found: number }>(query).one().found === 0
  }

  entries(): readonly PresenceEntry[] {
    return this.#sql.exec<PresentRow>('SELECT * FROM present').toArray().map(toEntry)
  }

  /** Adds an entry, unless its connection is present already or takes the place of one of its name. */
  enter({ connectionId, name, shard }: Omit<PresenceEnter, 'meta'>, entry: PresenceEntry): Entrance {
    if (this.#stays(connectionId) || this.#takesLeavingPlace(shard, connectionId, name)) return 'known'
    const meta = JSON.stringify(entry.meta)
    if (this.#countOf(name) >= MAX_SHOWN_PER_NAME) {
      this.#sql.exec('INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)', connectionId, shard, name)
      return 'known'
    }
    const bytes = bytesOf(name, meta)
    if (this.#bytes + bytes > this.#maxBytes) return 'full'
    this.#bytes += bytes
    this.#sql.exec('INSERT INTO present VALUES (?, ?, ?, ?, NULL)', connectionId, shard, name, meta)
    return 'shown'
  }

  /** Returns false if nothing is due because of it: another connection has taken its place, or it was not shown. */
  leave(connectionId: string, leavesAtMs: number): boolean {
    if (this.#changes('DELETE FROM waiting WHERE connection_id = ?', connectionId)) return false
    const next = this.#sql
      .exec<{ connection_id: string; shard: number }>(
        'SELECT connection_id, shard FROM waiting WHERE name = (SELECT name FROM present WHERE connection_id = ?) LIMIT 1',
        connectionId,
      )
      .toArray()[0]
    if (next !== undefined) {
      this.#sql.exec('DELETE FROM waiting WHERE connection_id = ?', next.connection_id)
      this.#giveAway(connectionId, next.connection_id, next.shard)
      return false
    }
    return this.#changes('UPDATE present SET leaves_at_ms = ? WHERE connection_id = ?', leavesAtMs, connectionId)
  }

  /** Removes the entries whose time has come, and returns them. */
  removeDue(nowMs: number): readonly PresenceEntry[] {
    const gone = this.#sql.exec<PresentRow>('DELETE FROM present WHERE leaves_at_ms <= ? RETURNING *', nowMs).toArray()
    for (const { meta, name } of gone) this.#bytes -= bytesOf(name, meta)
    return gone.map(toEntry)
  }

  /** When the next entry is to be removed, in milliseconds since the epoch, or null. */
  nextDueMs(): number | null {
    const query = 'SELECT MIN(leaves_at_ms) AS at FROM present WHERE leaves_at_ms IS NOT NULL'
    return this.#sql.exec<{ at: number | null }>(query).one().at
  }

  #stays(connectionId: string): boolean {
    return this.#changes('UPDATE present SET leaves_at_ms = NULL WHERE connection_id = ?', connectionId)
  }

  /** Returns whether there was a row. */
  #changes(statement: string, ...bindings: readonly SqlStorageValue[]): boolean {
    return this.#sql.exec(`${statement} RETURNING connection_id`, ...bindings).toArray().length > 0
  }

  #takesLeavingPlace(shard: number, connectionId: string, name: string): boolean {
    const query = 'SELECT connection_id FROM present WHERE name = ? AND leaves_at_ms IS NOT NULL LIMIT 1'
    const free = this.#sql.exec<{ connection_id: string }>(query, name).toArray()[0]
    if (free === undefined) return false
    this.#giveAway(free.connection_id, connectionId, shard)
    return true
  }

  #giveAway(from: string, connectionId: string, shard: number): void {
    const change = 'UPDATE present SET connection_id = ?, shard = ?, leaves_at_ms = NULL WHERE connection_id = ?'
    this.#sql.exec(change, connectionId, shard, from)
  }

  #countOf(name: string): number {
    const query = 'SELECT COUNT(*) AS count FROM (SELECT 1 FROM present WHERE name = ? LIMIT ?)'
    return this.#sql.exec<{ count: number }>(query, name, MAX_SHOWN_PER_NAME).one().count
  }
}

function bytesOf(name: string, meta: string): number {
  return 2 * (heapBytesOf(name) + heapBytesOf(meta)) + ENTRY_BYTES
}

function toEntry({ name, meta }: PresentRow): PresenceEntry {
  return { name, meta: JSON.parse(meta) as PresenceEntry['meta'] }
}
