// The door to the desks where requests wait for their answers: the one place that makes their stubs.
import { parseCorrelation, type CorrelatedResponse } from '../core/events/correlated-response.ts'

/** So many waiting rooms: a request takes any of them. May be changed: requests under way time out. */
export const PENDING_RESPONSES_COUNT = 64

export function pendingResponsesStub(env: Env, desk: number) {
  return env.PENDING_RESPONSES.getByName(`desk-${desk}`)
}

/** To whoever waits for it, if anybody does. */
export async function deliverResponse(env: Env, { answer, correlation }: CorrelatedResponse): Promise<void> {
  const address = parseCorrelation(correlation)
  if (address === undefined || address.desk >= PENDING_RESPONSES_COUNT) return
  await pendingResponsesStub(env, address.desk).answer(address.id, answer)
}
