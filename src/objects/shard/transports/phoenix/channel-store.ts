// Channels of Phoenix sockets, which outlive the object's memory: SQL for `phoenix_channels`. Sockets only: a long-polling
// session is in memory, and a client whose session is gone joins again with its positions.
import { parseJson } from '../../../../core/json.ts'
import type { OffsetJoin } from '../../../../core/as-of/joins.ts'
import type { JoinPayload } from './channel.ts'

export interface StoredChannel {
  readonly topic: string
  readonly joinRef: string | null
  readonly payload: JoinPayload
  /** What it is not sent because its client's state has it. */
  readonly joins: readonly OffsetJoin[]
  /** What is stored up to here is history to its client. Absent from rows of versions before. */
  readonly historySeq?: number | undefined
}

interface ChannelRow extends Record<string, SqlStorageValue> {
  connection_id: string
  topic: string
  join_ref: string | null
  payload: string
}

export class ChannelStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS phoenix_channels (
        connection_id TEXT NOT NULL, topic TEXT NOT NULL, join_ref TEXT, payload TEXT NOT NULL,
        PRIMARY KEY (connection_id, topic)
      ) WITHOUT ROWID
    `)
  }

  channels(connectionId: string): readonly StoredChannel[] {
    return this.#sql
      .exec<ChannelRow>('SELECT * FROM phoenix_channels WHERE connection_id = ?', connectionId)
      .toArray()
      .map((row) => {
        // Rows of versions before have no `joins`.
        const { historySeq, joins = [], ...payload } = parseJson(row.payload) as JoinPayload & Partial<StoredChannel>
        return { topic: row.topic, joinRef: row.join_ref, payload, joins, historySeq }
      })
  }

  put(connectionId: string, { historySeq, topic, joinRef, joins, payload }: StoredChannel): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO phoenix_channels VALUES (?, ?, ?, ?)',
      connectionId,
      topic,
      joinRef,
      JSON.stringify({ ...payload, joins, historySeq }),
    )
  }

  delete(connectionId: string, topic: string): void {
    this.#sql.exec('DELETE FROM phoenix_channels WHERE connection_id = ? AND topic = ?', connectionId, topic)
  }

  deleteAll(connectionId: string): void {
    this.#sql.exec('DELETE FROM phoenix_channels WHERE connection_id = ?', connectionId)
  }
}
