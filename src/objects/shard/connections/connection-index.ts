// Secondary indexes of a shard's connections: by user, session and indexed metadata, to count, list and close them.
// Events are matched by the subscription index instead: a connection gets more events than those addressed to its user.
import type { Metadata } from '../../../core/identity/principal.ts'
import { scalarText } from '../../../core/scalar.ts'
import type { ConnectionQuery } from '../../../rpc/shard-commands.ts'
import { heapBytesOf } from '../../../core/text.ts'
import { addToSet, removeFromSet } from '../../../core/set-map.ts'
import type { Connection } from './connection.ts'

export class ConnectionIndex {
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #bySession = new Map<string, Set<Connection>>()
  /** Keys are `field=value`, of indexed fields. */
  readonly #byMetadata = new Map<string, Set<Connection>>()
  readonly #metadataFields: readonly string[]
  #metadataBytes = 0

  /** `metadataFields`: the fields of the metadata that connections can be found by. */
  constructor(metadataFields: readonly string[]) {
    this.#metadataFields = metadataFields
  }

  /** What all metadata takes of the heap, about. */
  get metadataBytes(): number {
    return this.#metadataBytes
  }

  add(connection: Connection): void {
    const { metadata, user, sessions } = connection.state.owner
    this.#metadataBytes += sizeOfMetadata(metadata)
    if (user !== null) addToSet(this.#byUser, user, connection)
    for (const session of sessions) addToSet(this.#bySession, session, connection)
    for (const key of this.#metadataKeys(connection)) addToSet(this.#byMetadata, key, connection)
  }

  remove(connection: Connection): void {
    const { metadata, user, sessions } = connection.state.owner
    this.#metadataBytes -= sizeOfMetadata(metadata)
    if (user !== null) removeFromSet(this.#byUser, user, connection)
    for (const session of sessions) removeFromSet(this.#bySession, session, connection)
    for (const key of this.#metadataKeys(connection)) removeFromSet(this.#byMetadata, key, connection)
  }

  /** True if every condition that the query has holds. */
  matches(connection: Connection, { connectionId, metadata, session, user }: ConnectionQuery): boolean {
    const { id, owner } = connection.state
    return (
      (connectionId === undefined || id === connectionId) &&
      (user === undefined || owner.user === user) &&
      (session === undefined || owner.sessions.includes(session)) &&
      (metadata === undefined || this.ofMetadata(metadata.field, metadata.value).has(connection))
    )
  }

  ofUser(user: string | null): ReadonlySet<Connection> {
    return (user === null ? undefined : this.#byUser.get(user)) ?? new Set()
  }

  ofSession(session: string | null): ReadonlySet<Connection> {
    return (session === null ? undefined : this.#bySession.get(session)) ?? new Set()
  }

  ofMetadata(field: string, value: string): ReadonlySet<Connection> {
    return this.#byMetadata.get(keyOf(field, value)) ?? new Set()
  }

  /** Number of connections by user. */
  users(): ReadonlyMap<string, number> {
    return new Map([...this.#byUser].map(([user, connections]) => [user, connections.size]))
  }

  #metadataKeys({ state }: Connection): readonly string[] {
    return this.#metadataFields.flatMap((field) => {
      const value = state.owner.metadata[field]
      return value === undefined ? [] : [keyOf(field, scalarText(value))]
    })
  }
}

/** A field's entry in an object, with the headers of two texts. */
const FIELD_BYTES = 80

/** Returns what the metadata of a connection takes of the heap, about. Most connections have none. */
export function sizeOfMetadata(metadata: Metadata): number {
  let fields = 0
  for (const _ in metadata) fields += 1
  return fields === 0 ? 0 : heapBytesOf(JSON.stringify(metadata)) + fields * FIELD_BYTES
}

/** A field's name may have any character in it: two different pairs never have the same key. */
function keyOf(field: string, value: string): string {
  return JSON.stringify([field, value])
}
