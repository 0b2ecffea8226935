// Rigel's own events for long-polling sessions: SQL for `session_events`. Each has a sequence number of the log, so that a
// client's position covers it, but takes no space of the log: what one client does must not push out others' events.
export interface SessionEvent {
  readonly seq: number
  readonly json: string
}

/**
 * Between the events of one row: no event has a line break in it, and the text is what a response has between two events, as
 * versions that know rows of one event need it.
 */
const SEPARATOR = ',\n'

interface SessionEventRow extends Record<string, SqlStorageValue> {
  connection_id: string
  seq: number
  json: string
}

export class SessionEventStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(
      'CREATE TABLE IF NOT EXISTS session_events (connection_id TEXT NOT NULL, seq INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (connection_id, seq)) WITHOUT ROWID',
    )
  }

  /** By connection id, oldest first. */
  all(): ReadonlyMap<string, readonly SessionEvent[]> {
    const all = new Map<string, SessionEvent[]>()
    for (const row of this.#sql.exec<SessionEventRow>('SELECT * FROM session_events ORDER BY seq').toArray()) {
      const events = row.json.split(SEPARATOR).map((json) => ({ seq: row.seq, json }))
      all.set(row.connection_id, [...(all.get(row.connection_id) ?? []), ...events])
    }
    return all
  }

  /** Stores events that have the same sequence number as one row. */
  add(connectionId: string, seq: number, events: readonly SessionEvent[]): void {
    const json = events.map((event) => event.json).join(SEPARATOR)
    this.#sql.exec('INSERT INTO session_events VALUES (?, ?, ?)', connectionId, seq, json)
  }

  /** Deletes the events of a session before `seq`. */
  deleteBefore(connectionId: string, seq: number): void {
    this.#sql.exec('DELETE FROM session_events WHERE connection_id = ? AND seq < ?', connectionId, seq)
  }

  delete(connectionId: string): void {
    this.#sql.exec('DELETE FROM session_events WHERE connection_id = ?', connectionId)
  }
}
