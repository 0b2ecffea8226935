// PresenceTopic: the Durable Object of who is present in one Phoenix topic, whatever their shards, and of the shards
// that want to know. Who goes without a word may come back: such a leave waits, and whoever comes back under the same
// name takes the place, so that a reconnect, a deploy or a crash shows nothing. Its door is door.ts.
import { SerialQueue } from '../../core/serial-queue.ts'
import { DurableObject } from 'cloudflare:workers'
import { shardStub } from '../../rpc/shard.ts'
import {
  toPresences,
  type PresenceDiff,
  type PresenceEnter,
  type PresenceEntry,
  type Presences,
} from '../../rpc/presence.ts'

/** Longer than a client takes to reconnect: phoenix's first tries are within some seconds. */
const LEAVE_GRACE_MS = 10_000

interface PresentRow extends Record<string, SqlStorageValue> {
  connection_id: string
  name: string
  meta: string
}

export class PresenceTopic extends DurableObject<Env> {
  readonly #sql = this.ctx.storage.sql
  readonly #topic = this.ctx.id.name ?? ''
  /** Diffs reach a shard in the order in which they came to be. */
  readonly #queue = new SerialQueue()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS present (
        connection_id TEXT PRIMARY KEY, shard INTEGER NOT NULL, name TEXT NOT NULL, meta TEXT NOT NULL, leaves_at_ms INTEGER
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS watchers (shard INTEGER PRIMARY KEY);
    `)
  }

  /** Doing it twice does no harm. */
  async enter({ shard, connectionId, name, meta }: PresenceEnter): Promise<void> {
    if (this.#stays(connectionId) || this.#takesPlace(shard, connectionId, name)) return
    const entry: PresenceEntry = { name, meta: { ...meta, phx_ref: crypto.randomUUID() } }
    const values = [connectionId, shard, name, JSON.stringify(entry.meta)]
    this.#sql.exec('INSERT INTO present VALUES (?, ?, ?, ?, NULL)', ...values)
    this.#tell({ joins: toPresences([entry]), leaves: {} })
  }

  /** `atOnce`: said on purpose; otherwise the connection was lost, and may come back. */
  async leave(connectionId: string, atOnce: boolean): Promise<void> {
    const leavesAtMs = Date.now() + (atOnce ? 0 : LEAVE_GRACE_MS)
    this.#sql.exec('UPDATE present SET leaves_at_ms = ? WHERE connection_id = ?', leavesAtMs, connectionId)
    if (atOnce) return this.#removeDue()
    await this.#wakeBy(leavesAtMs)
  }

  /** Who is there now; the shard is told of changes from now on, until it answers that nobody listens. */
  async watch(shard: number): Promise<Presences> {
    this.#sql.exec('INSERT OR IGNORE INTO watchers VALUES (?)', shard)
    return toPresences(this.#sql.exec<PresentRow>('SELECT * FROM present').toArray().map(toEntry))
  }

  /** Waits until every shard has been told what it is to be told: for tests. */
  async settled(): Promise<void> {
    await this.#queue.settled()
  }

  override async alarm(): Promise<void> {
    this.#removeDue()
    const next = this.#sql.exec<{ at: number | null }>('SELECT MIN(leaves_at_ms) AS at FROM present').one().at
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
    if (gone.length > 0) this.#tell({ joins: {}, leaves: toPresences(gone.map(toEntry)) })
  }

  #tell(diff: PresenceDiff): void {
    const shards = this.#sql
      .exec<{ shard: number }>('SELECT shard FROM watchers')
      .toArray()
      .map((row) => row.shard)
    this.ctx.waitUntil(this.#queue.run(() => this.#tellShards(shards, diff)))
  }

  /** A shard out of reach has lost its connections: they ask anew when they rejoin. */
  async #tellShards(shards: readonly number[], diff: PresenceDiff): Promise<void> {
    await Promise.all(
      shards.map(async (shard) => {
        const listens = await shardStub(this.env, shard)
          .presenceChanged(this.#topic, diff)
          .catch((error: unknown) => {
            console.warn({ message: 'presence not told', topic: this.#topic, shard, error: String(error) })
            return true
          })
        if (!listens) this.#sql.exec('DELETE FROM watchers WHERE shard = ?', shard)
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
