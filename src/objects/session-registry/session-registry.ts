// SessionRegistry: the Durable Object of a part of the revoked sessions, by session id, so that no check waits for a
// single object of the whole gateway. Revoking resolves when every shard has closed the session's connections and no
// isolate accepts a token of the session any more. A shard that is out of reach is notified again until the revocation has
// expired. Called by the Worker through rpc/session-registry.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { allShardsOf, type ShardMap } from '../../core/shard-map/shard-map.ts'
import { LATEST_MS } from '../../core/time/times.ts'
import { sleep, withTimeout } from '../../core/time/timeout.ts'
import { directoryStub } from '../../rpc/directory.ts'
import type { ShardResult } from '../../core/delivery/scatter-gather.ts'
import { BLACKLIST } from '../../core/metrics/catalogue.ts'
import { createReporter, timerOf } from '../../rpc/metrics.ts'
import { REMEMBER_NOT_REVOKED_MS } from '../../rpc/session-registry.ts'
import { broadcastCommand } from '../../rpc/shard.ts'
import { RecentAnswers } from './recent-answers.ts'

const RETRY_AFTER_MS = 1_000
const ASK_TIMEOUT_MS = 2_000

interface PendingRow extends Record<string, SqlStorageValue> {
  session: string
  shard: number
}

export class SessionRegistry extends DurableObject<Env> {
  /** The shard map that was known last. */
  #map: ShardMap | undefined
  readonly #sql = this.ctx.storage.sql
  readonly #reporter = createReporter(this.env, configOf(this.env), {
    source: this.ctx.id.name ?? 'sessions',
    nowMs: () => Date.now(),
    values: () => [['rig_distributed_set_items_current', [BLACKLIST], this.#countRevoked()]],
  })
  readonly #answers = new RecentAnswers(REMEMBER_NOT_REVOKED_MS, Date.now())

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS revoked (session TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS pending (session TEXT NOT NULL, shard INTEGER NOT NULL, PRIMARY KEY (session, shard)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS untold (session TEXT PRIMARY KEY) WITHOUT ROWID;
    `)
  }

  /**
   * A session that is revoked already stays so for the longer of both times. Resolves to how many connections were
   * closed, when no token of the session passes any more.
   */
  async revoke(session: string, expiresMs: number): Promise<number> {
    this.#reporter.counts.count('rig_distributed_set_items_total', [BLACKLIST])
    this.#reporter.touch(timerOf(this.ctx))
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(
        'INSERT INTO revoked VALUES (?, ?) ON CONFLICT DO UPDATE SET expires_ms = MAX(expires_ms, excluded.expires_ms)',
        session,
        Math.min(expiresMs, LATEST_MS),
      )
      // One row for all shards: only those that fail get one each.
      this.#sql.exec('INSERT OR IGNORE INTO untold VALUES (?)', session)
    })
    // From here on the registry tells no isolate that the session is not revoked.
    const remainingMs = this.#answers.remainingMs(session, Date.now())
    // Set before any shard is notified: if this object dies in between, the alarm goes on.
    await this.#wakeBy(Date.now() + RETRY_AFTER_MS)
    const [closed] = await Promise.all([this.#notifyAll(session), sleep(remainingMs)])
    return closed
  }

  /** Returns until when the session is revoked, in milliseconds since the epoch; null: it is not. */
  revokedUntil(session: string): number | null {
    const nowMs = Date.now()
    const row = this.#sql
      .exec<{ expires_ms: number }>(
        'SELECT expires_ms FROM revoked WHERE session = ? AND expires_ms > ?',
        session,
        nowMs,
      )
      .toArray()[0]
    if (row === undefined) this.#answers.add(session, nowMs)
    return row?.expires_ms ?? null
  }

  override async alarm(): Promise<void> {
    this.#sql.exec('DELETE FROM revoked WHERE expires_ms <= ?', Date.now())
    for (const table of ['pending', 'untold'])
      this.#sql.exec(`DELETE FROM ${table} WHERE session NOT IN (SELECT session FROM revoked)`)
    const untold = this.#sql.exec<{ session: string }>('SELECT session FROM untold').toArray()
    await Promise.all(untold.map(({ session }) => this.#notifyAll(session)))
    const pending = this.#sql.exec<PendingRow>('SELECT session, shard FROM pending ORDER BY shard').toArray()
    const bySession = [...Map.groupBy(pending, ({ session }) => session)]
    await Promise.all(
      bySession.map(([session, rows]) =>
        this.#notify(
          session,
          rows.map(({ shard }) => shard),
        ),
      ),
    )
    await this.#wakeNext()
  }

  async #notifyAll(session: string): Promise<number> {
    const map = await this.#shardMap()
    return this.#notify(session, allShardsOf(map))
  }

  /** While the Directory is out of reach, the map that is known counts. Without any it is tried again. */
  async #shardMap(): Promise<ShardMap> {
    try {
      this.#map = await withTimeout(directoryStub(this.env).shardMap(), ASK_TIMEOUT_MS)
    } catch (error) {
      if (this.#map === undefined) throw error
    }
    return this.#map
  }

  /** Sends the revocation to all shards by a tree of relays. Returns how many connections were closed. */
  async #notify(session: string, shards: readonly number[]): Promise<number> {
    const expiresMs = this.#sql
      .exec<{ expires_ms: number }>('SELECT expires_ms FROM revoked WHERE session = ?', session)
      .toArray()[0]?.expires_ms
    if (expiresMs === undefined) return 0
    const answers = await broadcastCommand(this.env, shards, { kind: 'revoke_session', session, expiresMs })
    this.ctx.storage.transactionSync(() => this.#store(session, answers))
    return answers.reduce((sum, answer) => sum + (answer.ok ? answer.value : 0), 0)
  }

  /** Shards that did not answer are pending. */
  #store(session: string, answers: readonly ShardResult<number>[]): void {
    this.#sql.exec('DELETE FROM untold WHERE session = ?', session)
    this.#sql.exec('DELETE FROM pending WHERE session = ?', session)
    const failed = answers.filter(({ ok }) => !ok)
    for (const { shard } of failed) this.#sql.exec('INSERT INTO pending VALUES (?, ?)', session, shard)
    const [first] = failed
    if (first !== undefined) {
      logIncident('shards not notified of a revocation, to be tried again', {}, { shards: failed.length, first })
    }
  }

  #countRevoked(): number {
    const counted = 'SELECT COUNT(*) AS count FROM revoked WHERE expires_ms > ?'
    return this.#sql.exec<{ count: number }>(counted, Date.now()).one().count
  }

  async #wakeNext(): Promise<void> {
    const { waiting } = this.#sql
      .exec<{ waiting: number }>('SELECT (SELECT COUNT(*) FROM pending) + (SELECT COUNT(*) FROM untold) AS waiting')
      .one()
    const { next } = this.#sql.exec<{ next: number | null }>('SELECT MIN(expires_ms) AS next FROM revoked').one()
    if (waiting > 0) return this.#wakeBy(Date.now() + RETRY_AFTER_MS)
    if (next !== null) await this.#wakeBy(next)
  }

  async #wakeBy(atMs: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > atMs) await this.ctx.storage.setAlarm(Math.min(atMs, LATEST_MS))
  }
}
