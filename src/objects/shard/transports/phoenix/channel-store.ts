// What must survive the object's sleep about Phoenix sockets: SQL for `phoenix_sockets` and `phoenix_channels`.
// WebSockets only: a long-polling session is in memory, and a client whose session is gone rejoins with its positions.
import type { PhoenixHello, Principal } from '../../../../core/identity/principal.ts'
import type { JoinPayload } from './channel.ts'

export interface StoredSocket {
  readonly connectionId: string
  readonly principal: Principal
  readonly hello: PhoenixHello
  readonly openedAtMs: number
  readonly endsAtMs: number
  readonly endsByToken: boolean
}

export interface StoredChannel {
  readonly topic: string
  readonly joinRef: string | null
  readonly payload: JoinPayload
}

interface SocketRow extends Record<string, SqlStorageValue> {
  id: string
  principal: string
  hello: string
  opened_at_ms: number
  ends_at_ms: number
  ends_by_token: number
}

interface ChannelRow extends Record<string, SqlStorageValue> {
  topic: string
  join_ref: string | null
  payload: string
}

export class ChannelStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS phoenix_sockets (
        id TEXT PRIMARY KEY, principal TEXT NOT NULL, hello TEXT NOT NULL, opened_at_ms INTEGER NOT NULL, ends_at_ms INTEGER NOT NULL,
        ends_by_token INTEGER NOT NULL
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS phoenix_channels (
        connection_id TEXT NOT NULL, topic TEXT NOT NULL, join_ref TEXT, payload TEXT NOT NULL,
        PRIMARY KEY (connection_id, topic)
      ) WITHOUT ROWID;
    `)
  }

  all(): readonly StoredSocket[] {
    return this.#sql
      .exec<SocketRow>('SELECT * FROM phoenix_sockets')
      .toArray()
      .map((row) => ({
        connectionId: row.id,
        principal: JSON.parse(row.principal) as Principal,
        hello: JSON.parse(row.hello) as PhoenixHello,
        openedAtMs: row.opened_at_ms,
        endsAtMs: row.ends_at_ms,
        endsByToken: row.ends_by_token === 1,
      }))
  }

  channels(connectionId: string): readonly StoredChannel[] {
    return this.#sql
      .exec<ChannelRow>('SELECT topic, join_ref, payload FROM phoenix_channels WHERE connection_id = ?', connectionId)
      .toArray()
      .map((row) => ({
        topic: row.topic,
        joinRef: row.join_ref,
        payload: JSON.parse(row.payload) as JoinPayload,
      }))
  }

  put({ connectionId, principal, hello, openedAtMs, endsAtMs, endsByToken }: StoredSocket): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO phoenix_sockets VALUES (?, ?, ?, ?, ?, ?)',
      connectionId,
      JSON.stringify(principal),
      JSON.stringify(hello),
      openedAtMs,
      endsAtMs,
      endsByToken ? 1 : 0,
    )
  }

  join(connectionId: string, { topic, joinRef, payload }: StoredChannel): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO phoenix_channels VALUES (?, ?, ?, ?)',
      connectionId,
      topic,
      joinRef,
      JSON.stringify(payload),
    )
  }

  leave(connectionId: string, topic: string): void {
    this.#sql.exec('DELETE FROM phoenix_channels WHERE connection_id = ? AND topic = ?', connectionId, topic)
  }

  delete(connectionId: string): void {
    this.#sql.exec('DELETE FROM phoenix_sockets WHERE id = ?', connectionId)
    this.#sql.exec('DELETE FROM phoenix_channels WHERE connection_id = ?', connectionId)
  }
}
