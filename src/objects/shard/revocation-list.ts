// Revoked sessions, as one shard knows them: SQL for `revoked_sessions`. Every shard gets every revocation, so that it refuses
// a connection that is opened while its session is being revoked, whatever the Worker knew. A row is written only if the shard
// has connections of the session: otherwise memory is enough, for requests under way.

/** Revocations that are remembered without a row. A session id is short; the oldest are forgotten first. */
const MAX_REMEMBERED = 10_000

export class RevocationList {
  readonly #sql: SqlStorage
  /** Session → when the revocation ends, in milliseconds since the epoch. Equals the table at every await. */
  readonly #stored = new Map<string, number>()
  /** The same for revocations without a row. */
  readonly #remembered = new Map<string, number>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(
      'CREATE TABLE IF NOT EXISTS revoked_sessions (session TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID',
    )
    const rows = sql.exec<{ session: string; expires_ms: number }>('SELECT * FROM revoked_sessions').toArray()
    for (const row of rows) this.#stored.set(row.session, row.expires_ms)
  }

  add(session: string, expiresMs: number): void {
    const latestMs = Math.max(expiresMs, this.#stored.get(session) ?? 0)
    this.#sql.exec('INSERT OR REPLACE INTO revoked_sessions VALUES (?, ?)', session, latestMs)
    this.#stored.set(session, latestMs)
  }

  /** Remembers a revocation without a row, on a shard that has no connection of the session. */
  remember(session: string, expiresMs: number): void {
    const latestMs = Math.max(expiresMs, this.#remembered.get(session) ?? 0)
    this.#remembered.delete(session)
    this.#remembered.set(session, latestMs)
    const [oldest] = this.#remembered.keys()
    if (oldest !== undefined && this.#remembered.size > MAX_REMEMBERED) this.#remembered.delete(oldest)
  }

  has(session: string, nowMs: number): boolean {
    return Math.max(this.#stored.get(session) ?? 0, this.#remembered.get(session) ?? 0) > nowMs
  }

  removeExpired(nowMs: number): void {
    for (const known of [this.#stored, this.#remembered]) {
      for (const [session, expiresMs] of known) if (expiresMs <= nowMs) known.delete(session)
    }
    this.#sql.exec('DELETE FROM revoked_sessions WHERE expires_ms <= ?', nowMs)
  }
}
