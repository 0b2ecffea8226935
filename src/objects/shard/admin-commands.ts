// The commands of the internal API on one shard: list, count and close connections, revoke a session, erase a user. A command for many
// shards is run here and relayed to the shards of this shard's subtree.
import type { Metadata, Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { ShardMap } from '../../core/shard-map/shard-map.ts'
import { broadcastCommand } from '../../rpc/shard.ts'
import { StorageProbe } from '../../segment-log/storage-probe.ts'
import type {
  AnyShardResult,
  ConnectionInfo,
  ConnectionQuery,
  ShardCommand,
  ShardCommandResults,
  UserErased,
  ShardMapAnswer,
  ShardPage,
} from '../../rpc/shard-commands.ts'
import { sizeOfMetadata } from './connections/connection-index.ts'
import type { Connection } from './connections/connection.ts'
import type { ConnectionLifecycle } from './connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from './connections/connection-registry.ts'
import { userOf } from './connections/connection-state.ts'
import type { ConnectionHistory } from './explain/connection-history.ts'
import type { LogStore } from './log/log-store.ts'
import type { LeavingConnections } from './connections/leaving-connections.ts'
import type { InterestRegistry } from './interest-registry.ts'
import type { KnownShardMap } from './known-shard-map.ts'
import type { RevocationList } from './revocation-list.ts'
import type { ShardContext } from './shard-context.ts'
import type { ChangeRateLimiter } from './subscriptions/change-rate-limiter.ts'
import { countConnections, pageOf } from './connections/connection-pages.ts'
import { envelope, metadataSet } from './system-events.ts'

interface AdminCommandsParts {
  readonly connections: ConnectionRegistry
  readonly revocations: RevocationList
  readonly lifecycle: ConnectionLifecycle
  readonly history: ConnectionHistory
  readonly logStore: LogStore
  readonly shardMap: KnownShardMap
  readonly leaving: LeavingConnections
  readonly interests: Pick<InterestRegistry, 'declaredTo'>
  readonly changeRate: Pick<ChangeRateLimiter, 'mayChange'>
}

export class AdminCommands {
  readonly #context: ShardContext
  readonly #parts: AdminCommandsParts
  readonly #probe: StorageProbe

  constructor(context: ShardContext, parts: AdminCommandsParts) {
    this.#context = context
    this.#parts = parts
    this.#probe = new StorageProbe(context.storage, context.now)
  }

  pageConnections(query: ConnectionQuery, after: string, limit: number): ShardPage<ConnectionInfo> {
    const found = this.#parts.connections.find(query).map((connection) => [connection.state.id, connection] as const)
    return pageOf(found, after, limit, (connection) => this.#toInfo(connection))
  }

  pageUsers(after: string, limit: number): ShardPage<number> {
    return pageOf(this.#parts.connections.users(), after, limit, (count) => count)
  }

  /** Replaces the metadata of a connection. */
  setMetadata(connectionId: string, metadata: Metadata, { user }: Principal): Result<null, RigelError> {
    const connection = this.#parts.connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    const { owner } = connection.state
    const ownedBy = userOf(connection.state)
    if (ownedBy !== null && user !== null && ownedBy !== user) return fail({ kind: 'foreign_connection' })
    // Each change writes a row.
    if (!this.#parts.changeRate.mayChange(connection, 0)) return fail({ kind: 'rate_limited' })
    const heldBytes = this.#parts.connections.heldBytes - sizeOfMetadata(owner.metadata) + sizeOfMetadata(metadata)
    if (heldBytes > this.#context.config.connections.subscriptionBytesPerShard)
      return fail({ kind: 'unavailable', message: 'No more metadata fits into this shard: try again later.' })
    this.#parts.lifecycle.update(connection, { owner: { ...owner, metadata } })
    connection.send(metadataSet(envelope(this.#context), metadata))
    return ok(null)
  }

  /** Runs a command on this shard and on the others of `shards`. A shard that fails is a result too. */
  async run(command: ShardCommand, shards: readonly number[], fanOut: number): Promise<readonly AnyShardResult[]> {
    const { env, shard } = this.#context
    const others = shards.filter((other) => other !== shard)
    const passedOn = broadcastCommand(env, others, command, fanOut)
    return [await this.#runHere(command), ...(await passedOn)]
  }

  async #runHere(command: ShardCommand): Promise<AnyShardResult> {
    const { shard } = this.#context
    try {
      return { shard, ok: true, value: await this.#execute(command) }
    } catch (error) {
      return { shard, ok: false, error: String(error) }
    }
  }

  #execute(
    command: ShardCommand,
  ): ShardCommandResults[ShardCommand['kind']] | Promise<ShardCommandResults['check_storage']> {
    switch (command.kind) {
      case 'revoke_session':
        return this.#revoke(command.session, command.expiresMs)
      case 'close_connections':
        return this.#close(command.query, { kind: 'closed_by_operator' })
      case 'count_connections':
        return countConnections(this.#parts.connections.find(command.query))
      case 'erase_user':
        return this.#erase(command.user)
      case 'check_storage':
        return this.#probe.check().then(() => null)
      case 'learn_shard_map':
        return this.#learn(command.map)
    }
  }

  /** The revocation is stored before connections are closed: a client that connects meanwhile is refused. */
  #revoke(session: string, expiresMs: number): number {
    if (this.#parts.connections.find({ session }).length === 0) {
      this.#parts.revocations.remember(session, expiresMs)
      return 0
    }
    this.#parts.revocations.add(session, expiresMs)
    this.#context.wakeBy(expiresMs)
    return this.#close({ session }, { kind: 'session_killed' })
  }

  #learn(map: ShardMap): ShardMapAnswer {
    if (this.#parts.shardMap.learn(map)) this.#context.wakeBy(this.#context.now())
    const { interests, leaving, shardMap } = this.#parts
    const { map: known, resumedUntilMs } = shardMap
    return { map: known, leaving: leaving.count(), resumedUntilMs, declaredTo: interests.declaredTo }
  }

  /** Returns how many connections were closed. */
  #close(query: ConnectionQuery, reason: RigelError): number {
    const found = this.#parts.connections.find(query)
    for (const connection of found) this.#parts.lifecycle.end(connection, reason)
    return found.length
  }

  /** Connections first: what is sent to them when they end is stored for their sessions. */
  #erase(user: string): UserErased {
    const closed = this.#close({ user }, { kind: 'closed_by_operator' })
    this.#parts.history.forget(user)
    return { closed, ...this.#parts.logStore.eraseUser(user) }
  }

  #toInfo({ filter, state }: Connection): ConnectionInfo {
    const { endsAtMs, id, owner, transport } = state
    return {
      connectionToken: this.#parts.lifecycle.tokenOf(id),
      transport,
      ...owner,
      endsAtMs,
      subscriptions: [...filter.byType.keys()],
    }
  }
}
