// What services ask of Rigel: publish, revoke, who is connected, close. One function a verb, behind both doors of the
// internal API: HTTP (internal-api.ts) and service bindings (rigel-api.ts).
import type { Config } from '../../config/parse-config.ts'
import { parseStructured } from '../../core/events/cloud-event.ts'
import { parseConnectionToken } from '../../core/identity/connection-token.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { ProducedRecord } from '../../core/events/kafka-record.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { shardOf } from '../../core/delivery/shard-hash.ts'
import { valuesOf } from '../../core/delivery/scatter-gather.ts'
import { publishEvents } from '../../publishing/publish.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { sessionRegistryStub } from '../../rpc/session-registry.ts'
import { broadcastCommand, shardStub } from '../../rpc/shard.ts'
import type { ConnectionQuery } from '../../rpc/shard-commands.ts'
import type { ConnectionInfo } from '../../rpc/shard-commands.ts'

/** Whose connections; nothing given: all. */
export interface ConnectionsQuery {
  readonly user?: string | undefined
  readonly session?: string | undefined
  readonly connectionToken?: string | undefined
  /** Of a field that METADATA_INDEXES names. */
  readonly metadata?: { readonly field: string; readonly value: string } | undefined
}

export interface AppContext {
  readonly env: Env
  readonly config: Config
}

/** Objects, as CloudEvents in structured mode. */
export async function publishObjects(
  gateway: AppContext,
  events: readonly unknown[],
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  const parsed: CloudEvent[] = []
  for (const [index, event] of events.entries()) {
    const result = parseStructured(JSON.stringify(event) ?? '')
    if (!result.ok) return fail({ kind: 'not_a_cloud_event', message: `event ${index}: ${result.reason}` })
    parsed.push(result.value)
  }
  return publish(gateway, parsed)
}

export async function publish(
  { env, config }: AppContext,
  events: readonly CloudEvent[],
  idempotencyKeys: readonly string[] | null = null,
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  if (events.length === 0) return ok([])
  try {
    return ok(await publishEvents(createKafkaLog(env, config), config, events, idempotencyKeys))
  } catch (error) {
    console.error('events could not be produced', error)
    const message = 'The log does not take events at the moment: nothing is known to be stored.'
    return fail({ kind: 'unavailable', message })
  }
}

/** Resolves when the session's connections are closed on every shard that answers; answers how many there were. */
export async function revokeSession({ env }: AppContext, session: string, expiresMs: number): Promise<number> {
  return sessionRegistryStub(env, session).revoke(session, expiresMs)
}

export async function isSessionRevoked({ env }: AppContext, session: string): Promise<boolean> {
  return (await sessionRegistryStub(env, session).revokedUntil(session)) !== null
}

export async function listConnections(
  gateway: AppContext,
  query: ConnectionsQuery,
  limit: number,
): Promise<readonly ConnectionInfo[]> {
  const { shards, census } = locate(gateway, query)
  const lists = await Promise.all(shards.map((shard) => shardStub(gateway.env, shard).listConnections(census, limit)))
  return lists.flat().slice(0, limit)
}

/** Answers how many were closed. */
export async function closeConnections(gateway: AppContext, query: ConnectionsQuery): Promise<number> {
  const { shards, census } = locate(gateway, query)
  const answers = await broadcastCommand(gateway.env, shards, { kind: 'close_connections', query: census })
  return valuesOf(answers).reduce((sum, count) => sum + count, 0)
}

/** User → how many connections. */
export async function listUsers({ env, config }: AppContext): Promise<Readonly<Record<string, number>>> {
  const lists = await Promise.all(allShards(config).map(async (shard) => shardStub(env, shard).listUsers()))
  return Object.fromEntries(lists.flatMap((list) => [...list]))
}

/** A user and a connection are on one shard, a session may be on any. */
function locate(
  { config }: AppContext,
  query: ConnectionsQuery,
): { readonly shards: readonly number[]; readonly census: ConnectionQuery } {
  const { connectionToken, user, session, metadata } = query
  if (connectionToken !== undefined) {
    const address = parseConnectionToken(connectionToken)
    const isHere = address !== undefined && address.shard < config.shards
    return { shards: isHere ? [address.shard] : [], census: { connectionId: address?.connectionId ?? '' } }
  }
  if (user !== undefined) return { shards: [shardOf(user, config.shards)], census: { user } }
  return { shards: allShards(config), census: { session, metadata } }
}

export function allShards({ shards }: Config): readonly number[] {
  return Array.from({ length: shards }, (_, shard) => shard)
}
