// SessionRegistry: the Durable Object of a part of the revoked sessions, by session id, so that no check meets one object
// of the whole gateway. Revoking resolves when every shard has closed the session's connections; a shard that is out of
// reach is told again until the revocation has expired. Its door is door.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import type { ShardResult } from '../../core/delivery/scatter-gather.ts'
import { broadcastCommand } from '../../rpc/shard.ts'

const RETRY_AFTER_MS = 1_000

interface PendingRow extends Record<string, SqlStorageValue> {
  shard: number
  expires_ms: number
}

export class SessionRegistry extends DurableObject<Env> {
  readonly #shards = configOf(this.env).shards
  readonly #sql = this.ctx.storage.sql

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS revoked (session TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS pending (session TEXT NOT NULL, shard INTEGER NOT NULL, PRIMARY KEY (session, shard)) WITHOUT ROWID;
    `)
  }

  /** A session that is revoked already stays so for the longer of both times. Answers how many connections were closed. */
  async revoke(session: string, expiresMs: number): Promise<number> {
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        'INSERT INTO revoked VALUES (?, ?) ON CONFLICT DO UPDATE SET expires_ms = MAX(expires_ms, excluded.expires_ms)',
        session,
        expiresMs,
      )
      for (let shard = 0; shard < this.#shards; shard += 1) {
        this.#sql.exec('INSERT OR IGNORE INTO pending VALUES (?, ?)', session, shard)
      }
    })
    // Before any shard is told: what this object's death interrupts goes on by alarm.
    await this.#wakeBy(Date.now() + RETRY_AFTER_MS)
    return this.#tellShards(session)
  }

  /** Until when, in milliseconds since the epoch; null: it is not revoked. */
  revokedUntil(session: string): number | null {
    const row = this.#sql
      .exec<{ expires_ms: number }>(
        'SELECT expires_ms FROM revoked WHERE session = ? AND expires_ms > ?',
        session,
        Date.now(),
      )
      .toArray()[0]
    return row?.expires_ms ?? null
  }

  override async alarm(): Promise<void> {
    this.#sql.exec('DELETE FROM revoked WHERE expires_ms <= ?', Date.now())
    this.#sql.exec('DELETE FROM pending WHERE session NOT IN (SELECT session FROM revoked)')
    const sessions = this.#sql.exec<{ session: string }>('SELECT DISTINCT session FROM pending').toArray()
    await Promise.all(sessions.map(({ session }) => this.#tellShards(session)))
    await this.#wakeNext()
  }

  async #tellShards(session: string): Promise<number> {
    const pending = this.#sql
      .exec<PendingRow>(
        'SELECT shard, expires_ms FROM pending JOIN revoked USING (session) WHERE session = ? ORDER BY shard',
        session,
      )
      .toArray()
    const expiresMs = pending[0]?.expires_ms
    if (expiresMs === undefined) return 0
    const shards = pending.map(({ shard }) => shard)
    const answers = await broadcastCommand(this.env, shards, { kind: 'revoke_session', session, expiresMs })
    return this.#told(session, answers)
  }

  /** Who did not answer stays pending. Answers how many connections the others closed. */
  #told(session: string, answers: readonly ShardResult<number>[]): number {
    let closed = 0
    const untold: ShardResult<number>[] = []
    for (const answer of answers) {
      if (!answer.ok) untold.push(answer)
      else {
        this.#sql.exec('DELETE FROM pending WHERE session = ? AND shard = ?', session, answer.shard)
        closed += answer.value
      }
    }
    const [first] = untold
    if (first !== undefined) {
      console.warn({ message: 'revocation not told, to be tried again', shards: untold.length, first })
    }
    return closed
  }

  async #wakeNext(): Promise<void> {
    const { waiting } = this.#sql.exec<{ waiting: number }>('SELECT COUNT(*) AS waiting FROM pending').one()
    const { next } = this.#sql.exec<{ next: number | null }>('SELECT MIN(expires_ms) AS next FROM revoked').one()
    if (waiting > 0) return this.#wakeBy(Date.now() + RETRY_AFTER_MS)
    if (next !== null) await this.#wakeBy(next)
  }

  async #wakeBy(atMs: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > atMs) await this.ctx.storage.setAlarm(atMs)
  }
}
