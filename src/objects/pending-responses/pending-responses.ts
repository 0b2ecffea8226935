// AnswerDesk: the Durable Object where requests wait for their answers, whichever isolate they came to and wherever the
// answer arrives. Nothing is stored. What it does is waiting-room.ts's, its door is door.ts.
import { DurableObject } from 'cloudflare:workers'
import type { BackendResponse } from '../../core/events/correlated-response.ts'
import { ResponseWaiters } from './response-waiters.ts'

/** One desk of many: more than this wait only if nobody answers any more. */
const MAX_WAITING = 20_000

export class PendingResponses extends DurableObject<Env> {
  readonly #room = new ResponseWaiters(MAX_WAITING)

  async expect(id: string, timeoutMs: number): Promise<boolean> {
    return this.#room.expect(id, timeoutMs)
  }

  async take(id: string): Promise<BackendResponse | null> {
    return this.#room.take(id)
  }

  async answer(id: string, answer: BackendResponse): Promise<void> {
    this.#room.answer(id, answer)
  }

  async forget(id: string): Promise<void> {
    this.#room.forget(id)
  }
}
