// Connections that outlive the object's memory: SQL for `connections`. Used by the transports whose connections go on
// after hibernation or a crash; a stream ends with the object that writes it.
import type { OffsetJoin } from '../../../core/as-of/joins.ts'
import type { LogPlace } from '../../../core/identity/position.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { Metadata, PhoenixHello, Principal, TransportName } from '../../../core/identity/principal.ts'
import type { ConnectionState } from './connection-state.ts'

interface ConnectionRow extends Record<string, SqlStorageValue> {
  id: string
  transport: string
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
  /** JSON of `Details`; null in rows that were written before there was this column. */
  details: string | null
}

interface OldPhoenixRow extends Record<string, SqlStorageValue> {
  id: string
  principal: string
  hello: string
  opened_at_ms: number
  ends_at_ms: number
  ends_by_token: number
}

/** The rest of a ConnectionState: fields that no query uses. */
type Details = Pick<
  ConnectionState,
  | 'hasToken'
  | 'phoenix'
  | 'claimedBy'
  | 'grantEndsAtMs'
  | 'grant'
  | 'lateGrant'
  | 'historySeq'
  | 'oldHistorySeq'
  | 'tables'
> & {
  readonly resumeSeq?: number
  readonly atPosition?: true
  readonly joins?: readonly OffsetJoin[]
  readonly resumeBefore?: LogPlace
  readonly resumeMark?: string
  readonly pinned?: string
}

export class ConnectionStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS connections (
        id TEXT PRIMARY KEY, transport TEXT NOT NULL, user TEXT, sessions TEXT NOT NULL, opened_at_ms INTEGER NOT NULL, metadata TEXT NOT NULL, ends_at_ms INTEGER NOT NULL,
        ends_by_token INTEGER NOT NULL, start_seq INTEGER NOT NULL, resume_until_ms INTEGER,
        subscriptions TEXT NOT NULL, inferred TEXT NOT NULL, details TEXT
      ) WITHOUT ROWID
    `)
    this.#migrate()
  }

  all(): readonly ConnectionState[] {
    return this.#sql.exec<ConnectionRow>('SELECT * FROM connections').toArray().map(toState)
  }

  put(state: ConnectionState): void {
    const { id, transport, owner, endsAtMs, endsByToken, startSeq, resume, subscriptions, inferred } = state
    const details: Details = {
      hasToken: state.hasToken,
      phoenix: state.phoenix,
      claimedBy: state.claimedBy,
      grantEndsAtMs: state.grantEndsAtMs,
      ...(state.atPosition ? { atPosition: true } : {}),
      ...(state.joins !== undefined && state.joins.length > 0 ? { joins: state.joins } : {}),
      ...(resume === null || resume.seq === startSeq ? {} : { resumeSeq: resume.seq }),
      ...(resume === null || resume.before === null ? {} : { resumeBefore: resume.before }),
      ...(state.grant === undefined ? {} : { grant: state.grant }),
      ...(state.lateGrant ? { lateGrant: state.lateGrant } : {}),
      ...(state.historySeq === undefined ? {} : { historySeq: state.historySeq }),
      ...(state.oldHistorySeq === undefined ? {} : { oldHistorySeq: state.oldHistorySeq }),
      ...(state.tables === undefined ? {} : { tables: state.tables }),
      ...(resume?.mark === undefined ? {} : { resumeMark: resume.mark }),
      ...(state.pinned === null ? {} : { pinned: state.pinned }),
    }
    this.#sql.exec(
      'INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      id,
      transport,
      owner.user,
      JSON.stringify(owner.sessions),
      owner.openedAtMs,
      JSON.stringify(owner.metadata),
      endsAtMs,
      endsByToken ? 1 : 0,
      startSeq,
      resume?.untilMs ?? null,
      JSON.stringify(subscriptions),
      JSON.stringify(inferred),
      JSON.stringify(details),
    )
  }

  delete(id: string): void {
    this.#sql.exec('DELETE FROM connections WHERE id = ?', id)
  }

  /** Until 2026-11-26 there was no `details`, and Phoenix sockets had the table `phoenix_sockets`. */
  #migrate(): void {
    const columns = this.#sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('connections')`).toArray()
    if (!columns.some(({ name }) => name === 'details'))
      this.#sql.exec('ALTER TABLE connections ADD COLUMN details TEXT')
    const old = this.#sql.exec(`SELECT name FROM sqlite_master WHERE name = 'phoenix_sockets'`).toArray()
    if (old.length === 0) return
    for (const row of this.#sql.exec<OldPhoenixRow>('SELECT * FROM phoenix_sockets').toArray())
      this.put(phoenixState(row))
    this.#sql.exec('DROP TABLE phoenix_sockets')
  }
}

function toState(row: ConnectionRow): ConnectionState {
  const details = row.details === null ? undefined : (JSON.parse(row.details) as Details)
  const endsByToken = row.ends_by_token === 1
  const resumeSeq = details?.resumeSeq ?? row.start_seq
  return {
    id: row.id,
    transport: row.transport as TransportName,
    owner: {
      user: row.user,
      sessions: JSON.parse(row.sessions) as string[],
      openedAtMs: row.opened_at_ms,
      metadata: JSON.parse(row.metadata) as Metadata,
    },
    hasToken: details?.hasToken ?? (endsByToken || row.user !== null),
    atPosition: details?.atPosition ?? false,
    endsAtMs: row.ends_at_ms,
    endsByToken,
    startSeq: row.start_seq,
    ...(details?.joins === undefined ? {} : { joins: details.joins }),
    ...(details?.grant === undefined ? {} : { grant: details.grant }),
    ...(details?.lateGrant === undefined ? {} : { lateGrant: details.lateGrant }),
    ...(details?.historySeq === undefined ? {} : { historySeq: details.historySeq }),
    ...(details?.oldHistorySeq === undefined ? {} : { oldHistorySeq: details.oldHistorySeq }),
    ...(details?.tables === undefined ? {} : { tables: details.tables }),
    pinned: details?.pinned ?? null,
    resume:
      row.resume_until_ms === null
        ? null
        : {
            seq: resumeSeq,
            untilMs: row.resume_until_ms,
            before: details?.resumeBefore ?? null,
            ...(details?.resumeMark === undefined ? {} : { mark: details.resumeMark }),
          },
    subscriptions: JSON.parse(row.subscriptions) as readonly Subscription[],
    inferred: JSON.parse(row.inferred) as readonly Subscription[],
    claimedBy: details?.claimedBy ?? null,
    grantEndsAtMs: details?.grantEndsAtMs ?? null,
    phoenix: details?.phoenix ?? null,
  }
}

function phoenixState(row: OldPhoenixRow): ConnectionState {
  const { user, session, expSeconds } = JSON.parse(row.principal) as Principal
  return {
    id: row.id,
    transport: 'phoenix',
    owner: { user, sessions: session === null ? [] : [session], openedAtMs: row.opened_at_ms, metadata: {} },
    hasToken: expSeconds !== null,
    atPosition: false,
    endsAtMs: row.ends_at_ms,
    endsByToken: row.ends_by_token === 1,
    startSeq: 0,
    pinned: null,
    resume: null,
    subscriptions: [],
    inferred: [],
    claimedBy: null,
    grantEndsAtMs: null,
    phoenix: JSON.parse(row.hello) as PhoenixHello,
  }
}
