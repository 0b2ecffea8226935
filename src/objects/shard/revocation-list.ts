// Revoked sessions, as one shard knows them: SQL for `revoked_sessions`. Every shard is told of every revocation, so that a
// connection that is opened while its session is revoked is refused, whatever the Worker knew.
export class RevocationList {
  readonly #sql: SqlStorage
  /** Session → when the revocation ends, in milliseconds since the epoch. Equals the table at every await. */
  readonly #expiresMs = new Map<string, number>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(
      'CREATE TABLE IF NOT EXISTS revoked_sessions (session TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID',
    )
    const rows = sql.exec<{ session: string; expires_ms: number }>('SELECT * FROM revoked_sessions').toArray()
    for (const row of rows) this.#expiresMs.set(row.session, row.expires_ms)
  }

  add(session: string, expiresMs: number): void {
    const latestMs = Math.max(expiresMs, this.#expiresMs.get(session) ?? 0)
    this.#sql.exec('INSERT OR REPLACE INTO revoked_sessions VALUES (?, ?)', session, latestMs)
    this.#expiresMs.set(session, latestMs)
  }

  has(session: string, nowMs: number): boolean {
    return (this.#expiresMs.get(session) ?? 0) > nowMs
  }

  removeExpired(nowMs: number): void {
    for (const [session, expiresMs] of this.#expiresMs) if (expiresMs <= nowMs) this.#expiresMs.delete(session)
    this.#sql.exec('DELETE FROM revoked_sessions WHERE expires_ms <= ?', nowMs)
  }
}
