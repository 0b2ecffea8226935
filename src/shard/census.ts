// Who a shard's connections are of: by user and by session, to count, to list and to close them. Events are matched
// elsewhere (matcher.ts): a connection may see more, or less, than what its owner is addressed with.
import type { Connection } from './connection.ts'

/** Any of these that is given has to hold. */
export interface CensusQuery {
  readonly connectionId?: string | undefined
  readonly user?: string | undefined
  readonly session?: string | undefined
}

export class Census {
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #bySession = new Map<string, Set<Connection>>()

  add(connection: Connection): void {
    const { user, sessions } = connection.owner
    if (user !== null) addTo(this.#byUser, user, connection)
    for (const session of sessions) addTo(this.#bySession, session, connection)
  }

  remove(connection: Connection): void {
    const { user, sessions } = connection.owner
    if (user !== null) removeFrom(this.#byUser, user, connection)
    for (const session of sessions) removeFrom(this.#bySession, session, connection)
  }

  ofUser(user: string | null): ReadonlySet<Connection> {
    return (user === null ? undefined : this.#byUser.get(user)) ?? new Set()
  }

  ofSession(session: string | null): ReadonlySet<Connection> {
    return (session === null ? undefined : this.#bySession.get(session)) ?? new Set()
  }

  /** User → how many connections. */
  users(): ReadonlyMap<string, number> {
    return new Map([...this.#byUser].map(([user, connections]) => [user, connections.size]))
  }
}

function addTo(sets: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  sets.set(key, (sets.get(key) ?? new Set<Connection>()).add(connection))
}

function removeFrom(sets: Map<string, Set<Connection>>, key: string, connection: Connection): void {
  const set = sets.get(key)
  set?.delete(connection)
  if (set?.size === 0) sets.delete(key)
}
