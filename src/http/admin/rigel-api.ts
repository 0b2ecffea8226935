// The internal API for other Workers, by service binding: one typed call, no HTTP and no token, for a binding is given by
// whoever deploys. `[[services]] binding = "RIGEL", service = "rigel", entrypoint = "RigelApi"`.
import { WorkerEntrypoint } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { toHttp } from '../../core/errors.ts'
import type { ConnectionInfo } from '../../rpc/shard-commands.ts'
import {
  closeConnections,
  isSessionRevoked,
  listConnections,
  listUsers,
  publishObjects,
  revokeSession,
  type ConnectionsQuery,
  type AppContext,
} from './operations.ts'

const MAX_LISTED = 10_000

/** Where an event stands in the log. */
interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

type Published =
  | { readonly ok: true; readonly places: readonly Place[] }
  /** As `POST messages` would have answered. */
  | { readonly ok: false; readonly status: number; readonly message: string }

export class RigelApi extends WorkerEntrypoint<Env> {
  get #gateway(): AppContext {
    return { env: this.env, config: configOf(this.env) }
  }

  /** CloudEvents, as objects: their places once they are durable, or, with none of them stored, what is wrong with one. */
  async publish(...events: readonly object[]): Promise<Published> {
    const produced = await publishObjects(this.#gateway, events)
    if (!produced.ok) return { ok: false, ...toHttp(produced.reason) }
    const places = produced.value.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    return { ok: true, places }
  }

  /** Closes the session's connections and refuses its tokens for that long. Answers how many connections were closed. */
  async revokeSession(session: string, validityInSeconds: number): Promise<number> {
    if (session === '') throw new TypeError('session: must be a non-empty string')
    if (!(validityInSeconds > 0)) throw new TypeError('validityInSeconds: must be a positive number')
    return revokeSession(this.#gateway, session, Math.round(Date.now() + validityInSeconds * 1_000))
  }

  isSessionRevoked(session: string): Promise<boolean> {
    return isSessionRevoked(this.#gateway, session)
  }

  connections(query: ConnectionsQuery = {}): Promise<readonly ConnectionInfo[]> {
    return listConnections(this.#gateway, query, MAX_LISTED)
  }

  /** Answers how many were closed. */
  closeConnections(query: ConnectionsQuery): Promise<number> {
    const { connectionToken, session, user } = query
    if ((connectionToken ?? session ?? user) === undefined)
      throw new TypeError('name whose connections to close: user, session or connectionToken')
    return closeConnections(this.#gateway, query)
  }

  /** User → how many connections. */
  users(): Promise<Readonly<Record<string, number>>> {
    return listUsers(this.#gateway)
  }
}
