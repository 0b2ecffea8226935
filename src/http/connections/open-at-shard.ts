// Opens a connection at its shard. Called by every transport.
import type { ConnectRequest } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readError, shardStub, stampConnect } from '../../rpc/shard.ts'
import { callShard } from './call-shard.ts'
import { shardFailure } from '../error-response.ts'
import type { HandlerContext } from '../worker-context.ts'

/**
 * Returns the shard's stream or socket, or a response that `readError` reads. Throws if the shard cannot be reached.
 */
export function openAtShard(c: HandlerContext, connect: ConnectRequest): Promise<Response> {
  const open = async (shard: number, stamped: ConnectRequest) => shardStub(c.env, shard).fetch(...stampConnect(stamped))
  return callShard(c.get('shardMap'), connect, open, readError)
}

/** Opens a long-polling session. Resolves to its connection token. */
export async function openSessionAtShard(
  c: HandlerContext,
  connect: ConnectRequest,
): Promise<Result<string, RigelError>> {
  const open = async (shard: number, stamped: ConnectRequest): Promise<Result<string, RigelError>> => {
    const { asOf, atPosition, grant, inferred, lastEventId, principal, shardMap, sinceMs, subscriptions } = stamped
    const stub = shardStub(c.env, shard)
    const how = [lastEventId, inferred, atPosition, asOf, shardMap, sinceMs, grant] as const
    const opened = await stub.openLongpolling(principal, subscriptions, ...how)
    return opened.ok ? ok(opened.value.connectionToken) : fail(opened.reason)
  }
  try {
    return await callShard(c.get('shardMap'), connect, open, (opened) => (opened.ok ? undefined : opened.reason))
  } catch (error) {
    return fail(shardFailure(error))
  }
}
