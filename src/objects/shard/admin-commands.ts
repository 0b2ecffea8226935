// What services ask of a shard, by the internal API: who is connected, close these, this session is revoked.
import type { Metadata, Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { ConnectionQuery, ConnectionInfo } from '../../rpc/shard-commands.ts'
import type { Connection } from './connection.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { metadataSet, type EventEnvelope } from './system-events.ts'
import type { RevocationList } from './revocation-list.ts'
import type { ConnectionLifecycle } from './connection-lifecycle.ts'

export interface AdminCommandsDeps {
  readonly connections: ConnectionRegistry
  readonly revocations: RevocationList
  readonly roster: ConnectionLifecycle
  readonly stamp: () => EventEnvelope
}

export class AdminCommands {
  readonly #deps: AdminCommandsDeps

  constructor(deps: AdminCommandsDeps) {
    this.#deps = deps
  }

  list(query: ConnectionQuery, limit: number): readonly ConnectionInfo[] {
    return this.#deps.connections
      .find(query)
      .slice(0, limit)
      .map((connection) => this.#toInfo(connection))
  }

  /** Transport → how many. */
  count(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { transport } of this.#deps.connections.all()) counts[transport] = (counts[transport] ?? 0) + 1
    return counts
  }

  /** Replaces what a client says of its connection. */
  describe(connectionId: string, metadata: Metadata, { user }: Principal): Result<null, RigelError> {
    const { connections, roster, stamp } = this.#deps
    const connection = connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    const { owner } = connection
    if (owner.user !== null && user !== null && owner.user !== user) return fail({ kind: 'foreign_connection' })
    roster.own(connection, { ...owner, metadata })
    roster.tell(connection, metadataSet(stamp(), metadata))
    return ok(null)
  }

  /** Answers how many were closed. */
  close(query: ConnectionQuery, reason: RigelError): number {
    const found = this.#deps.connections.find(query)
    for (const connection of found) this.#deps.roster.end(connection, reason)
    return found.length
  }

  /** Remembered first: whoever connects meanwhile is refused. */
  revoke(session: string, expiresMs: number): number {
    this.#deps.revocations.add(session, expiresMs)
    return this.close({ session }, { kind: 'session_killed' })
  }

  #toInfo(connection: Connection): ConnectionInfo {
    const { owner, endsAtMs, transport, filter } = connection
    return {
      connectionToken: this.#deps.roster.tokenOf(connection),
      transport,
      ...owner,
      endsAtMs,
      subscriptions: [...filter.byType.keys()],
    }
  }
}
