// PendingResponses: the Durable Object where requests wait for correlated responses, whichever isolate they came to and
// wherever the response arrives. Stores nothing. Called through src/rpc/pending-responses.ts.
import { DurableObject } from 'cloudflare:workers'
import type { BackendResponse } from '../../core/events/correlated-response.ts'
import { ResponseWaiters } from './response-waiters.ts'

/** Per object. More than this wait only if no backend responds any more. */
const MAX_WAITING = 9_000

export class PendingResponses extends DurableObject<Env> {
  readonly #waiters = new ResponseWaiters(MAX_WAITING)

  async expect(id: string, timeoutMs: number): Promise<boolean> {
    return this.#waiters.expect(id, timeoutMs)
  }

  async take(id: string, timeoutMs?: number): Promise<BackendResponse | null> {
    return this.#waiters.take(id, timeoutMs)
  }

  async answer(id: string, response: BackendResponse): Promise<void> {
    this.#waiters.answer(id, response)
  }

  async forget(id: string): Promise<void> {
    this.#waiters.forget(id)
  }
}
