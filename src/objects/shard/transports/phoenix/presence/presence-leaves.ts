// Presences that this shard still has to end: SQL for `presence_leaves`. A leave that a presence topic did not take is tried again
// until it does, because nobody else removes the entry. Sessions by long-polling are in memory only, so theirs are stored as they
// enter: an object that has lost its memory ends them. Used by presence-tracker.ts.
import { logIncident } from '../../../../../telemetry/incident-log.ts'

const RETRY_MS = 5_000
/** Leaves that are tried at once. */
const MAX_AT_ONCE = 16
/** A shard has fewer sessions that enter. Beyond, an entry may stay until its topic is unused. */
const MAX_ROWS = 50_000

interface LeaveRow extends Record<string, SqlStorageValue> {
  connection_id: string
  topic: string
  is_deliberate: number
}

export interface PresenceLeavesDeps {
  /** Tells the topic. Rejects if it is out of reach. */
  leave(topic: string, connectionId: string, isDeliberate: boolean): Promise<void>
  nowMs(): number
  /** Sets the alarm, after which `sweep` is called. */
  wakeBy(atMs: number): void
  background(work: Promise<unknown>): void
}

export class PresenceLeaves {
  readonly #sql: SqlStorage
  readonly #deps: PresenceLeavesDeps
  /** When leaves that failed are tried again, in milliseconds since the epoch; null: there are none. */
  #dueMs: number | null = null
  #rows: number

  constructor(sql: SqlStorage, deps: PresenceLeavesDeps) {
    this.#sql = sql
    this.#deps = deps
    sql.exec(`
      CREATE TABLE IF NOT EXISTS presence_leaves (
        connection_id TEXT NOT NULL, topic TEXT NOT NULL, is_deliberate INTEGER NOT NULL, has_left INTEGER NOT NULL,
        PRIMARY KEY (connection_id, topic)
      ) WITHOUT ROWID
    `)
    // What the object knew of it is lost, as are its sessions.
    sql.exec('UPDATE presence_leaves SET has_left = 1 WHERE has_left = 0')
    this.#rows = sql.exec<{ count: number }>('SELECT COUNT(*) AS count FROM presence_leaves').one().count
    if (this.#rows > 0) this.#tryAt(deps.nowMs())
  }

  /** The connection enters. `isInMemory`: it is lost with the object's memory. */
  entering(connectionId: string, topics: readonly string[], isInMemory: boolean): void {
    for (const topic of topics) {
      this.#delete(connectionId, topic)
      if (isInMemory) this.#put(connectionId, topic, false, false)
    }
  }

  /** The connection leaves. `isDeliberate`: its client said so. */
  leave(connectionId: string, topics: readonly string[], isDeliberate: boolean): void {
    for (const topic of topics) this.#deps.background(this.#tell(connectionId, topic, isDeliberate))
  }

  /** Returns when it has to be called again, or null. */
  sweep(nowMs: number): number | null {
    if (this.#dueMs === null || this.#dueMs > nowMs) return this.#dueMs
    this.#dueMs = null
    const rows = this.#sql
      .exec<LeaveRow>('SELECT * FROM presence_leaves WHERE has_left = 1 LIMIT ?', MAX_AT_ONCE + 1)
      .toArray()
    for (const row of rows.slice(0, MAX_AT_ONCE))
      this.#deps.background(this.#tell(row.connection_id, row.topic, row.is_deliberate === 1))
    if (rows.length > MAX_AT_ONCE) this.#dueMs = nowMs + RETRY_MS
    return this.#dueMs
  }

  async #tell(connectionId: string, topic: string, isDeliberate: boolean): Promise<void> {
    try {
      await this.#deps.leave(topic, connectionId, isDeliberate)
      this.#delete(connectionId, topic)
    } catch (error) {
      logIncident('presence not told that a connection has left: it is told later', {}, { error: String(error) })
      this.#put(connectionId, topic, isDeliberate, true)
      this.#tryAt(this.#deps.nowMs() + RETRY_MS)
    }
  }

  #tryAt(atMs: number): void {
    this.#dueMs = Math.min(this.#dueMs ?? Infinity, atMs)
    this.#deps.wakeBy(this.#dueMs)
  }

  #put(connectionId: string, topic: string, isDeliberate: boolean, hasLeft: boolean): void {
    this.#delete(connectionId, topic)
    if (this.#rows >= MAX_ROWS) return
    const values = [connectionId, topic, isDeliberate ? 1 : 0, hasLeft ? 1 : 0]
    this.#sql.exec('INSERT INTO presence_leaves VALUES (?, ?, ?, ?)', ...values)
    this.#rows += 1
  }

  #delete(connectionId: string, topic: string): void {
    if (this.#rows === 0) return
    const statement = 'DELETE FROM presence_leaves WHERE connection_id = ? AND topic = ? RETURNING 1'
    this.#rows -= this.#sql.exec(statement, connectionId, topic).toArray().length
  }
}
