// How the Durable Objects that hold waiting requests are called. Used by the proxy, the followers of response topics and
// POST /v3/responses.
import { parseCorrelation, type CorrelatedResponse } from '../core/events/correlated-response.ts'
import { objectStub } from './object-stub.ts'

/** A request waits in a random one of these objects. The number may be changed: requests under way then time out. */
export const PENDING_RESPONSES_COUNT = 64

/** Returns the stub of one PendingResponses object. `shard` is in `0 .. PENDING_RESPONSES_COUNT - 1`. */
export function pendingResponsesStub(env: Env, shard: number) {
  return objectStub(env, env.PENDING_RESPONSES, `shard-${shard}`)
}

/** Delivers a response to the request that waits for it. Does nothing if none does. */
export async function deliverResponse(env: Env, { answer, correlation }: CorrelatedResponse): Promise<void> {
  const target = parseCorrelation(correlation)
  if (target === undefined || target.shard >= PENDING_RESPONSES_COUNT) return
  await pendingResponsesStub(env, target.shard).answer(target.id, answer)
}
