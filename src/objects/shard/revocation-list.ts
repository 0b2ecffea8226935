// The sessions that are revoked, as one shard knows them: SQL for `revoked_sessions`. Every shard is told of every one, so
// that a connection opened while its session is revoked is refused, whatever the edge knew.
export class RevocationList {
  readonly #sql: SqlStorage
  /** Session → when it expires. Equals the table at every await. */
  readonly #expiresMs = new Map<string, number>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(
      'CREATE TABLE IF NOT EXISTS revoked_sessions (session TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID',
    )
    for (const row of sql.exec<{ session: string; expires_ms: number }>('SELECT * FROM revoked_sessions')) {
      this.#expiresMs.set(row.session, row.expires_ms)
    }
  }

  add(session: string, expiresMs: number): void {
    const latestMs = Math.max(expiresMs, this.#expiresMs.get(session) ?? 0)
    this.#sql.exec('INSERT OR REPLACE INTO revoked_sessions VALUES (?, ?)', session, latestMs)
    this.#expiresMs.set(session, latestMs)
  }

  has(session: string | null, nowMs: number): boolean {
    return session !== null && (this.#expiresMs.get(session) ?? 0) > nowMs
  }

  forgetExpired(nowMs: number): void {
    for (const [session, expiresMs] of this.#expiresMs) if (expiresMs <= nowMs) this.#expiresMs.delete(session)
    this.#sql.exec('DELETE FROM revoked_sessions WHERE expires_ms <= ?', nowMs)
  }
}
