// What must survive the object's sleep about connections that do: SQL for `connections`. WebSockets and long-polling
// sessions only; an SSE stream ends with the object that writes it.
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { Metadata } from '../../core/identity/principal.ts'
import type { Owner, Term } from './connection.ts'

export interface StoredConnection {
  readonly connectionId: string
  readonly transport: 'ws' | 'longpolling'
  readonly owner: Owner
  /** When it must end: its token's expiry or its maximum lifetime. Milliseconds since the epoch. */
  readonly endsAtMs: number
  /** True: it ends then because its token does. */
  readonly endsByToken: boolean
  /** Where it began to read; long-polling: where a first poll without a position starts. */
  readonly startSeq: number
  /** Set if that is where the client came back to: until when it may say what it wants from there on. */
  readonly resumeUntilMs: number | null
  readonly subscriptions: readonly Subscription[]
  readonly inferred: readonly Subscription[]
}

interface ConnectionRow extends Record<string, SqlStorageValue> {
  id: string
  transport: 'ws' | 'longpolling'
  user: string | null
  sessions: string
  opened_at_ms: number
  metadata: string
  ends_at_ms: number
  ends_by_token: number
  start_seq: number
  resume_until_ms: number | null
  subscriptions: string
  inferred: string
}

export class ConnectionStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS connections (
        id TEXT PRIMARY KEY, transport TEXT NOT NULL, user TEXT, sessions TEXT NOT NULL, opened_at_ms INTEGER NOT NULL, metadata TEXT NOT NULL, ends_at_ms INTEGER NOT NULL,
        ends_by_token INTEGER NOT NULL, start_seq INTEGER NOT NULL, resume_until_ms INTEGER,
        subscriptions TEXT NOT NULL, inferred TEXT NOT NULL
      ) WITHOUT ROWID
    `)
  }

  all(): readonly StoredConnection[] {
    return this.#sql.exec<ConnectionRow>('SELECT * FROM connections').toArray().map(fromRow)
  }

  put(connection: StoredConnection): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      connection.connectionId,
      connection.transport,
      connection.owner.user,
      JSON.stringify(connection.owner.sessions),
      connection.owner.openedAtMs,
      JSON.stringify(connection.owner.metadata),
      connection.endsAtMs,
      connection.endsByToken ? 1 : 0,
      connection.startSeq,
      connection.resumeUntilMs,
      JSON.stringify(connection.subscriptions),
      JSON.stringify(connection.inferred),
    )
  }

  setSubscriptions(
    connectionId: string,
    subscriptions: readonly Subscription[],
    inferred: readonly Subscription[],
  ): void {
    this.#sql.exec(
      'UPDATE connections SET subscriptions = ?, inferred = ?, resume_until_ms = NULL WHERE id = ?',
      JSON.stringify(subscriptions),
      JSON.stringify(inferred),
      connectionId,
    )
  }

  setTerm(connectionId: string, { endsAtMs, endsByToken }: Term): void {
    this.#sql.exec(
      'UPDATE connections SET ends_at_ms = ?, ends_by_token = ? WHERE id = ?',
      endsAtMs,
      endsByToken ? 1 : 0,
      connectionId,
    )
  }

  setOwner(connectionId: string, { sessions, metadata }: Owner): void {
    this.#sql.exec(
      'UPDATE connections SET sessions = ?, metadata = ? WHERE id = ?',
      JSON.stringify(sessions),
      JSON.stringify(metadata),
      connectionId,
    )
  }

  delete(connectionId: string): void {
    this.#sql.exec('DELETE FROM connections WHERE id = ?', connectionId)
  }
}

function fromRow(row: ConnectionRow): StoredConnection {
  return {
    connectionId: row.id,
    transport: row.transport,
    owner: {
      user: row.user,
      sessions: JSON.parse(row.sessions) as string[],
      openedAtMs: row.opened_at_ms,
      metadata: JSON.parse(row.metadata) as Metadata,
    },
    endsAtMs: row.ends_at_ms,
    endsByToken: row.ends_by_token === 1,
    startSeq: row.start_seq,
    resumeUntilMs: row.resume_until_ms,
    subscriptions: JSON.parse(row.subscriptions) as readonly Subscription[],
    inferred: JSON.parse(row.inferred) as readonly Subscription[],
  }
}
