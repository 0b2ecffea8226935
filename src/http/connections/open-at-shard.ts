// Opens a connection at the shard that authorizeConnection chose. A client without a user comes back to the shard of its
// position, which it may also have made up: the shard then refuses, and the server chooses. Called by every transport.
import type { Context } from 'hono'
import type { ConnectRequest } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { readError, shardStub, stampConnect } from '../../rpc/shard.ts'
import { anyShard, type ConnectGrant } from './authorize-connection.ts'
import { shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

type Grant = Pick<ConnectGrant, 'shard' | 'connect'>

/** Returns the shard's stream or socket, or a response that `readError` reads. Throws if the shard cannot be reached. */
export function openAtShard(c: Context<HttpEnv>, grant: Grant): Promise<Response> {
  const open = async ({ connect, shard }: Grant) => shardStub(c.env, shard).fetch(stampConnect(connect))
  return placed(c, grant, open, readError)
}

/** Opens a long-polling session. Resolves to its connection token. */
export async function openSessionAtShard(c: Context<HttpEnv>, grant: Grant): Promise<Result<string, RigelError>> {
  const open = async ({ connect, shard }: Grant): Promise<Result<string, RigelError>> => {
    const { asOf, atPosition, inferred, lastEventId, principal, subscriptions } = connect
    const stub = shardStub(c.env, shard)
    const opened = await stub.openLongpolling(principal, subscriptions, lastEventId, inferred, atPosition, asOf)
    return opened.ok ? ok(opened.value.connectionToken) : fail(opened.reason)
  }
  try {
    return await placed(c, grant, open, (opened) => (opened.ok ? undefined : opened.reason))
  } catch (error) {
    return fail(shardFailure(error))
  }
}

async function placed<T>(
  c: Context<HttpEnv>,
  grant: Grant,
  open: (grant: Grant) => Promise<T>,
  errorOf: (answer: T) => RigelError | undefined,
): Promise<T> {
  const answer = await open(grant)
  if (grant.connect.atPosition !== true || errorOf(answer)?.kind !== 'wrong_shard') return answer
  const connect: ConnectRequest = { ...grant.connect, atPosition: false }
  return open({ connect, shard: anyShard(c.var.config.shards, Math.random()) })
}
