// Contract of PendingResponses, where requests wait for a response from Kafka or the internal API: its stub and how a
// response is addressed.
import { parseCorrelation, type CorrelatedResponse } from '../core/events/correlated-response.ts'

/** Number of objects. A request takes any of them. May be changed: requests under way then time out. */
export const PENDING_RESPONSES_COUNT = 64

export function pendingResponsesStub(env: Env, desk: number) {
  return env.PENDING_RESPONSES.getByName(`desk-${desk}`)
}

/** Delivers the response to the request that waits for it. Does nothing if there is none, or if the id is malformed. */
export async function deliverResponse(env: Env, { answer, correlation }: CorrelatedResponse): Promise<void> {
  const address = parseCorrelation(correlation)
  if (address === undefined || address.desk >= PENDING_RESPONSES_COUNT) return
  await pendingResponsesStub(env, address.desk).answer(address.id, answer)
}
