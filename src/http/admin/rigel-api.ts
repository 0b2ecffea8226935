// The internal API for other Workers, by service binding: typed calls without HTTP and without a token, because only the
// account that deploys Rigel can bind it. `[[services]] binding = "RIGEL", service = "rigel", entrypoint = "RigelApi"`.
import { WorkerEntrypoint } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { toHttp } from '../../core/errors.ts'
import type { ConnectionCounts, ConnectionInfo } from '../../rpc/shard-commands.ts'
import { writeAudit } from './audit-log.ts'
import {
  closeConnections,
  countConnections,
  indexProblem,
  isSessionRevoked,
  listConnections,
  listUsers,
  publishObjects,
  revokeSession,
  type ConnectionsQuery,
  type AppContext,
  type PageQuery,
} from './operations.ts'
import { isCursor, sumByUser } from './shard-pages.ts'

const MAX_LISTED = 10_000

/** Where an event is stored in the log. */
interface StoredAt {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

type Published =
  | { readonly ok: true; readonly places: readonly StoredAt[] }
  /** The message that `POST messages` would return. */
  | { readonly ok: false; readonly status: number; readonly message: string }

export class RigelApi extends WorkerEntrypoint<Env> {
  get #context(): AppContext {
    return { env: this.env, config: configOf(this.env) }
  }

  /** Publishes CloudEvents. Returns where they are stored once they are durable; if one is invalid, none is stored. */
  async publish(...events: readonly object[]): Promise<Published> {
    const produced = await publishObjects(this.#context, events)
    if (!produced.ok) return { ok: false, ...toHttp(produced.reason) }
    const places = produced.value.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    return { ok: true, places }
  }

  /** Closes the session's connections and refuses its tokens for that time. Returns how many connections were closed. */
  async revokeSession(session: string, validityInSeconds: number): Promise<number> {
    if (session === '') throw new TypeError('session: must be a non-empty string')
    if (!(validityInSeconds > 0)) throw new TypeError('validityInSeconds: must be a positive number')
    const closed = await revokeSession(this.#context, session, Math.round(Date.now() + validityInSeconds * 1_000))
    this.#audit('revokeSession', { session, validityInSeconds })
    return closed
  }

  isSessionRevoked(session: string): Promise<boolean> {
    return isSessionRevoked(this.#context, session)
  }

  /** Returns a page of the connections for which every given condition holds. */
  async connections(
    query: ConnectionsQuery & Partial<PageQuery> = {},
  ): Promise<{ readonly connections: readonly ConnectionInfo[]; readonly next: string | null }> {
    const { items, next } = await listConnections(this.#context, this.#checked(query), checkedPage(query))
    return { connections: items.map(({ item }) => item), next }
  }

  countConnections(query: ConnectionsQuery = {}): Promise<ConnectionCounts> {
    return countConnections(this.#context, this.#checked(query))
  }

  /** Closes the connections for which every given condition holds. Returns how many were closed. */
  async closeConnections(query: ConnectionsQuery): Promise<number> {
    const { connectionToken, metadata, session, user } = query
    if ((connectionToken ?? session ?? user ?? metadata) === undefined)
      throw new TypeError('name whose connections to close: user, session, metadata or connectionToken')
    const closed = await closeConnections(this.#context, this.#checked(query))
    // A connection token is a secret of its client.
    this.#audit('closeConnections', {
      session,
      user,
      metadata,
      ...(connectionToken === undefined ? {} : { connectionToken: '…' }),
    })
    return closed
  }

  /** Returns a page of users with their number of connections. */
  async users(
    page: Partial<PageQuery> = {},
  ): Promise<{ readonly users: Readonly<Record<string, number>>; readonly next: string | null }> {
    const { items, next } = await listUsers(this.#context, checkedPage(page))
    return { users: sumByUser(items), next }
  }

  #audit(action: string, target: Readonly<Record<string, unknown>>): void {
    const entry = { action, target, by: 'service binding', address: null, status: 200 }
    this.ctx.waitUntil(writeAudit(this.env, this.#context.config, entry))
  }

  /** A field without an index finds nothing, which would look like no connections. */
  #checked(query: ConnectionsQuery): ConnectionsQuery {
    const problem = indexProblem(this.#context.config, query)
    if (problem !== undefined) throw new TypeError(problem)
    return query
  }
}

function checkedPage({ after, limit = MAX_LISTED }: Partial<PageQuery>): PageQuery {
  if (after !== undefined && !isCursor(after)) throw new TypeError('after: must be the `next` of the page before')
  if (!(limit >= 1 && limit <= MAX_LISTED)) throw new TypeError(`limit: must be from 1 to ${MAX_LISTED}`)
  return { after, limit }
}
