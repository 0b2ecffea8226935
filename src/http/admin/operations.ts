// The operations of the internal API: publish, revoke a session, list and close connections. Called by its HTTP routes
// (admin-api.ts) and by service bindings (rigel-api.ts).
import { logIncident } from '../../telemetry/incident-log.ts'
import type { Config } from '../../config/parse-config.ts'
import { parseStructured } from '../../core/events/cloud-event.ts'
import { parseConnectionToken } from '../../core/identity/connection-token.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { ProducedRecord } from '../../core/events/kafka-record.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { allShardsOf, homesOf } from '../../core/shard-map/shard-map.ts'
import type { Trace } from '../../telemetry/trace-context.ts'
import { workerContext } from '../worker-context.ts'
import { valuesOf } from '../../core/delivery/scatter-gather.ts'
import { publishEvents } from '../../publishing/publish.ts'
import { createCountedLog } from '../counted-log.ts'
import { sessionRegistryStub } from '../../rpc/session-registry.ts'
import { broadcastCommand, shardStub } from '../../rpc/shard.ts'
import type { ConnectionCounts, ConnectionInfo, ConnectionQuery } from '../../rpc/shard-commands.ts'
import { readPage, sumCounts, type ListPage } from './shard-pages.ts'

/** Selects the connections for which every given condition holds; all connections if none is given. */
export interface ConnectionsQuery {
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly connectionToken?: string | undefined
  /** `field` must be one of METADATA_INDEXES. */
  readonly metadata?: { readonly field: string; readonly value: string } | undefined
}

export interface AppContext {
  readonly env: Env
  readonly config: Config
  /** The span of a publish; absent: the publisher is not traced. */
  readonly trace?: Trace | null
}

/** Publishes objects that are CloudEvents in structured mode (CloudEvents 1.0, JSON format). */
export async function publishObjects(
  context: AppContext,
  events: readonly unknown[],
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  const parsed: CloudEvent[] = []
  for (const [index, event] of events.entries()) {
    const result = parseStructured(JSON.stringify(event) ?? '')
    if (!result.ok) return fail({ kind: 'not_a_cloud_event', message: `event ${index}: ${result.reason}` })
    parsed.push(result.value)
  }
  return publish(context, parsed)
}

export async function publish(
  { env, config, trace = null }: AppContext,
  events: readonly CloudEvent[],
  idempotencyKeys: readonly string[] | null = null,
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  if (events.length === 0) return ok([])
  try {
    return await publishEvents(createCountedLog(env, config, trace), config, events, idempotencyKeys)
  } catch (error) {
    logIncident('events could not be produced', {}, { error: String(error) })
    const message = 'The log does not take events at the moment: nothing is known to be stored.'
    return fail({ kind: 'unavailable', message })
  }
}

/**
 * Closes the session's connections and refuses its tokens until `expiresMs`. Returns how many connections were closed.
 */
export async function revokeSession({ env }: AppContext, session: string, expiresMs: number): Promise<number> {
  return sessionRegistryStub(env, session).revoke(session, expiresMs)
}

export async function isSessionRevoked({ env }: AppContext, session: string): Promise<boolean> {
  return (await sessionRegistryStub(env, session).revokedUntil(session)) !== null
}

/** What part of a list to return: at most `limit` items after the cursor, or from the start. */
export interface PageQuery {
  readonly after?: string | undefined
  readonly limit: number
}

export async function listConnections(
  context: AppContext,
  query: ConnectionsQuery,
  { after, limit }: PageQuery,
): Promise<ListPage<ConnectionInfo>> {
  const { shards, filter } = await locate(context, query)
  return readPage(shards, after, limit, async (shard, key, most) =>
    shardStub(context.env, shard).pageConnections(filter, key, most),
  )
}

/** Counts at the shards, by the tree of relays: no list is made. A user who is moving to another shard may count twice. */
export async function countConnections(context: AppContext, query: ConnectionsQuery): Promise<ConnectionCounts> {
  const { shards, filter } = await locate(context, query)
  return sumCounts(valuesOf(await broadcastCommand(context.env, shards, { kind: 'count_connections', query: filter })))
}

/** Returns the number of closed connections. */
export async function closeConnections(context: AppContext, query: ConnectionsQuery): Promise<number> {
  const { shards, filter } = await locate(context, query)
  const answers = await broadcastCommand(context.env, shards, { kind: 'close_connections', query: filter })
  return valuesOf(answers).reduce((sum, count) => sum + count, 0)
}

/** Number of connections by user. A user who is moving to another shard may be listed twice. */
export async function listUsers({ env }: AppContext, { after, limit }: PageQuery): Promise<ListPage<number>> {
  return readPage(await allShards(env), after, limit, async (shard, key, most) =>
    shardStub(env, shard).pageUsers(key, most),
  )
}

/** Returns what is wrong with a query by metadata whose field has no index, or undefined. */
export function indexProblem({ connections }: Config, { metadata }: ConnectionsQuery): string | undefined {
  if (metadata === undefined || connections.metadataIndexes.includes(metadata.field)) return undefined
  return `"${metadata.field}" is not indexed: METADATA_INDEXES names ${connections.metadataIndexes.join(', ') || 'none'}`
}

/** Returns the shards to ask: the shard of a user or connection is known, a session may have connections on all. */
async function locate(
  { env }: AppContext,
  query: ConnectionsQuery,
): Promise<{ readonly shards: readonly number[]; readonly filter: ConnectionQuery }> {
  const { connectionToken, user, session, metadata } = query
  if (connectionToken !== undefined) {
    const address = parseConnectionToken(connectionToken)
    const isHere = address !== undefined && (await workerContext(env).shardMap.has(address.shard))
    return { shards: isHere ? [address.shard] : [], filter: { connectionId: address?.connectionId ?? '' } }
  }
  const map = await workerContext(env).shardMap.newest()
  const shards = user === undefined ? allShardsOf(map) : homesOf(map, user)
  return { shards, filter: { user, session, metadata } }
}

/** Returns the numbers of all shards that exist, also of those that exist only during a change. */
export async function allShards(env: Env): Promise<readonly number[]> {
  const map = await workerContext(env).shardMap.newest()
  return allShardsOf(map)
}
