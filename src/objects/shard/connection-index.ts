// Who a shard's connections are of: by user, by session and by indexed metadata, to count, to list and to close them. Events are matched
// elsewhere (matcher.ts): a connection may see more, or less, than what its owner is addressed with.
import { addToSet, removeFromSet } from '../../core/set-map.ts'
import type { Connection } from './connection.ts'

export class ConnectionIndex {
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #bySession = new Map<string, Set<Connection>>()
  /** `field=value`, of indexed fields. */
  readonly #byMetadata = new Map<string, Set<Connection>>()
  readonly #indexes: readonly string[]

  /** `indexes`: the fields of the metadata that connections can be found by. */
  constructor(indexes: readonly string[]) {
    this.#indexes = indexes
  }

  add(connection: Connection): void {
    const { user, sessions } = connection.owner
    if (user !== null) addToSet(this.#byUser, user, connection)
    for (const session of sessions) addToSet(this.#bySession, session, connection)
    for (const key of this.#keysOf(connection)) addToSet(this.#byMetadata, key, connection)
  }

  remove(connection: Connection): void {
    const { user, sessions } = connection.owner
    if (user !== null) removeFromSet(this.#byUser, user, connection)
    for (const session of sessions) removeFromSet(this.#bySession, session, connection)
    for (const key of this.#keysOf(connection)) removeFromSet(this.#byMetadata, key, connection)
  }

  ofUser(user: string | null): ReadonlySet<Connection> {
    return (user === null ? undefined : this.#byUser.get(user)) ?? new Set()
  }

  ofSession(session: string | null): ReadonlySet<Connection> {
    return (session === null ? undefined : this.#bySession.get(session)) ?? new Set()
  }

  ofMetadata(field: string, value: string): ReadonlySet<Connection> {
    return this.#byMetadata.get(`${field}=${value}`) ?? new Set()
  }

  /** User → how many connections. */
  users(): ReadonlyMap<string, number> {
    return new Map([...this.#byUser].map(([user, connections]) => [user, connections.size]))
  }

  #keysOf({ owner }: Connection): readonly string[] {
    return this.#indexes.flatMap((field) => {
      const value = owner.metadata[field]
      return value === undefined ? [] : [`${field}=${String(value)}`]
    })
  }
}
