// PresenceTopic: the Durable Object that knows the presences of one Phoenix topic on all shards, and which shards get changes.
// The leave of a lost connection is delayed: a connection under the same name replaces it, so that a reconnect, a deploy or a
// crash is not visible to others. Changes are sent as one diff per shard, one call in flight.
import { DurableObject } from 'cloudflare:workers'
import { shardStub } from '../../rpc/shard.ts'
import {
  toPresences,
  type PresenceDiff,
  type PresenceEnter,
  type PresenceEntry,
  type Presences,
} from '../../rpc/presence.ts'
import { PendingDiff } from './pending-diff.ts'

/** Longer than a client takes to reconnect: the library's first attempts come within some seconds. */
const LEAVE_GRACE_MS = 10_000

interface PresentRow extends Record<string, SqlStorageValue> {
  connection_id: string
  name: string
  meta: string
}

export class PresenceTopic extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #topic = this.ctx.id.name ?? ''
  readonly #pending = new PendingDiff()
  /** Settles when all changes so far have been sent. Undefined: nothing is being sent. */
  #sending: Promise<void> | undefined
  /** Grows by one with each diff. It starts at the time, so that shards notice a restart, which may have lost a diff. */
  #version = Date.now()
  /** Shard → version at its last `watch`: what it answers to that diff, or an earlier one, may be older than its `watch`. */
  readonly #watchedAt = new Map<number, number>()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS present (
        connection_id TEXT PRIMARY KEY, shard INTEGER NOT NULL, name TEXT NOT NULL, meta TEXT NOT NULL, leaves_at_ms INTEGER
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS leaving_by_name ON present (name) WHERE leaves_at_ms IS NOT NULL;
      CREATE INDEX IF NOT EXISTS leaving_by_time ON present (leaves_at_ms) WHERE leaves_at_ms IS NOT NULL;
      CREATE TABLE IF NOT EXISTS watchers (shard INTEGER PRIMARY KEY);
    `)
  }

  /** Idempotent. */
  async enter({ shard, connectionId, name, meta }: PresenceEnter): Promise<void> {
    if (this.#stays(connectionId) || this.#takesPlace(shard, connectionId, name)) return
    const entry: PresenceEntry = { name, meta: { ...meta, phx_ref: crypto.randomUUID() } }
    const values = [connectionId, shard, name, JSON.stringify(entry.meta)]
    this.#sql.exec('INSERT INTO present VALUES (?, ?, ?, ?, NULL)', ...values)
    this.#pending.join(entry)
    this.#send()
  }

  /** `isDeliberate`: the client said that it leaves; otherwise the connection was lost, and may come back. */
  async leave(connectionId: string, isDeliberate: boolean): Promise<void> {
    const leavesAtMs = Date.now() + (isDeliberate ? 0 : LEAVE_GRACE_MS)
    this.#sql.exec('UPDATE present SET leaves_at_ms = ? WHERE connection_id = ?', leavesAtMs, connectionId)
    if (isDeliberate) return this.#removeDue()
    await this.#wakeBy(leavesAtMs)
  }

  /** Returns the presences. The shard gets changes from now on, until it answers that none of its connections has joined. */
  async watch(shard: number): Promise<Presences> {
    this.#sql.exec('INSERT OR IGNORE INTO watchers VALUES (?)', shard)
    this.#watchedAt.set(shard, this.#version)
    return toPresences(this.#sql.exec<PresentRow>('SELECT * FROM present').toArray().map(toEntry))
  }

  /** Resolves when every shard has got all changes. For tests. */
  async settled(): Promise<void> {
    await this.#sending
  }

  override async alarm(): Promise<void> {
    this.#removeDue()
    const next = this.#sql
      .exec<{ at: number | null }>('SELECT MIN(leaves_at_ms) AS at FROM present WHERE leaves_at_ms IS NOT NULL')
      .one().at
    if (next !== null) await this.#wakeBy(next)
  }

  #stays(connectionId: string): boolean {
    return (
      this.#sql.exec('UPDATE present SET leaves_at_ms = NULL WHERE connection_id = ?', connectionId).rowsWritten > 0
    )
  }

  #takesPlace(shard: number, connectionId: string, name: string): boolean {
    const free = this.#sql
      .exec<PresentRow>('SELECT * FROM present WHERE name = ? AND leaves_at_ms IS NOT NULL LIMIT 1', name)
      .toArray()[0]
    if (free === undefined) return false
    this.#sql.exec(
      'UPDATE present SET connection_id = ?, shard = ?, leaves_at_ms = NULL WHERE connection_id = ?',
      connectionId,
      shard,
      free.connection_id,
    )
    return true
  }

  #removeDue(): void {
    const gone = this.#sql
      .exec<PresentRow>('DELETE FROM present WHERE leaves_at_ms <= ? RETURNING *', Date.now())
      .toArray()
    for (const row of gone) this.#pending.leave(toEntry(row))
    this.#send()
  }

  #send(): void {
    this.#sending ??= this.#sendPending().finally(() => (this.#sending = undefined))
    this.ctx.waitUntil(this.#sending)
  }

  /** Changes during a call are sent with the next diff. */
  async #sendPending(): Promise<void> {
    while (!this.#pending.isEmpty) await this.#sendDiff(this.#pending.take())
  }

  /** A shard that is out of reach has lost its connections: they ask again when they rejoin. */
  async #sendDiff(diff: PresenceDiff): Promise<void> {
    this.#version += 1
    const version = this.#version
    const shards = this.#sql
      .exec<{ shard: number }>('SELECT shard FROM watchers')
      .toArray()
      .map((row) => row.shard)
    await Promise.all(
      shards.map(async (shard) => {
        const listens = await shardStub(this.env, shard)
          .presenceChanged(this.#topic, diff, version)
          .catch((error: unknown) => {
            console.warn({ message: 'presence not told', topic: this.#topic, shard, error: String(error) })
            return true
          })
        if (!listens && (this.#watchedAt.get(shard) ?? 0) < version)
          this.#sql.exec('DELETE FROM watchers WHERE shard = ?', shard)
      }),
    )
  }

  async #wakeBy(atMs: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > atMs) await this.ctx.storage.setAlarm(atMs)
  }
}

function toEntry({ name, meta }: PresentRow): PresenceEntry {
  return { name, meta: JSON.parse(meta) as PresenceEntry['meta'] }
}
