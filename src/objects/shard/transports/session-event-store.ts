// Rigel's own events for long-polling sessions until their clients have fetched them: SQL for `session_events`. Each has a
// sequence number of the log, so that a client's position covers them, but takes no space of the log.
export interface SessionEvent {
  readonly seq: number
  readonly json: string
}

/** Newer ones say what the older ones said: subscriptions in force, metadata, an expiry that comes near. */
const MAX_EVENTS_PER_SESSION = 32

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
    const rows = this.#sql.exec<SessionEventRow>('SELECT * FROM session_events ORDER BY seq').toArray()
    return Map.groupBy(rows, ({ connection_id: connectionId }) => connectionId)
  }

  add(connectionId: string, { json, seq }: SessionEvent): void {
    this.#sql.exec('INSERT INTO session_events VALUES (?, ?, ?)', connectionId, seq, json)
    this.#sql.exec(
      'DELETE FROM session_events WHERE connection_id = ? AND seq <= (SELECT seq FROM session_events WHERE connection_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)',
      connectionId,
      connectionId,
      MAX_EVENTS_PER_SESSION,
    )
  }

  /** Deletes the events of a session up to `seq`, which its client has. */
  deleteUpTo(connectionId: string, seq: number): void {
    this.#sql.exec('DELETE FROM session_events WHERE connection_id = ? AND seq <= ?', connectionId, seq)
  }

  delete(connectionId: string): void {
    this.#sql.exec('DELETE FROM session_events WHERE connection_id = ?', connectionId)
  }
}
