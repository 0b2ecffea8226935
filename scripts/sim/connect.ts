// How clients of the simulation open a long-polling session or a stream, as the Worker does for them.
import { parseConnectionToken, type ConnectionAddress } from '../../src/core/identity/connection-token.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { callShard } from '../../src/http/connections/call-shard.ts'
import type { WorkerShardMap } from '../../src/http/worker-shard-map.ts'
import { readError, shardStub, stampConnect } from '../../src/rpc/shard.ts'
import type { Simulation } from './simulation.ts'

/** Undefined: the session was refused. */
export async function openSession(
  { env }: Simulation,
  shardMap: WorkerShardMap,
  connect: ConnectRequest,
): Promise<ConnectionAddress | undefined> {
  const open = async (shard: number, stamped: ConnectRequest) => {
    const { asOf, atPosition, grant, lastEventId, principal, shardMap: map, sinceMs, subscriptions } = stamped
    const how = [lastEventId, [], atPosition, asOf, map, sinceMs, grant] as const
    return shardStub(env, shard).openLongpolling(principal, subscriptions, ...how)
  }
  const refusalOf = (answer: Awaited<ReturnType<typeof open>>) => (answer.ok ? undefined : answer.reason)
  const opened = await callShard(shardMap, connect, open, refusalOf)
  return opened.ok ? parseConnectionToken(opened.value.connectionToken) : undefined
}

/** Undefined: the stream was refused. */
export async function openStream(
  { env }: Simulation,
  shardMap: WorkerShardMap,
  connect: ConnectRequest,
): Promise<ReadableStreamDefaultReader<Uint8Array> | undefined> {
  const open = async (shard: number, stamped: ConnectRequest) => shardStub(env, shard).fetch(...stampConnect(stamped))
  const response = await callShard(shardMap, connect, open, readError)
  return readError(response) === undefined ? response.body?.getReader() : undefined
}
