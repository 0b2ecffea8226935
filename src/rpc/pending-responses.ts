// The door to the desks where requests wait for their answers: the one place that makes their stubs.
import { parseCorrelation, type Correlated } from '../core/events/correlated-response.ts'

/** So many waiting rooms: a request takes any of them. May be changed: requests under way time out. */
export const DESKS = 64

export function deskStub(env: Env, desk: number) {
  return env.ANSWER_DESK.getByName(`desk-${desk}`)
}

/** To whoever waits for it, if anybody does. */
export async function deliverAnswer(env: Env, { answer, correlation }: Correlated): Promise<void> {
  const address = parseCorrelation(correlation)
  if (address === undefined || address.desk >= DESKS) return
  await deskStub(env, address.desk).answer(address.id, answer)
}
