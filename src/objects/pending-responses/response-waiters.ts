// The requests that wait for a response, each with a timeout. In memory, because a waiting request does not outlive its
// object. Called by PendingResponses.
import type { BackendResponse } from '../../core/events/correlated-response.ts'

interface PendingResponse {
  readonly response: Promise<BackendResponse | null>
  settle(response: BackendResponse | null): void
  timer: ReturnType<typeof setTimeout>
}

export class ResponseWaiters {
  readonly #pending = new Map<string, PendingResponse>()
  readonly #maxWaiting: number

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  get waiting(): number {
    return this.#pending.size
  }

  /**
   * Call it before the request is sent, so that no response is missed. `timeoutMs`: until `take`. Returns false if too many
   * requests wait already.
   */
  expect(id: string, timeoutMs: number): boolean {
    if (this.#pending.size >= this.#maxWaiting) return false
    const { promise: response, resolve: settle } = Promise.withResolvers<BackendResponse | null>()
    // The client may leave before its request calls `take`: then only the timer removes the entry.
    this.#pending.set(id, { response, settle, timer: setTimeout(() => this.forget(id), timeoutMs) })
    return true
  }

  /**
   * Waits `timeoutMs` from now: the time that the service took to take the request does not count. A Worker of an earlier version
   * gives no time; then that of `expect` counts. Returns null if no response came in time, or `id` is not expected.
   */
  async take(id: string, timeoutMs: number | undefined): Promise<BackendResponse | null> {
    const pending = this.#pending.get(id)
    if (pending === undefined) return null
    if (timeoutMs !== undefined) {
      clearTimeout(pending.timer)
      pending.timer = setTimeout(() => this.forget(id), timeoutMs)
    }
    const response = await pending.response
    this.forget(id)
    return response
  }

  /** The first response counts; late and repeated ones are dropped. */
  answer(id: string, response: BackendResponse): void {
    this.#pending.get(id)?.settle(response)
  }

  /** The request was answered in another way, or timed out. */
  forget(id: string): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    clearTimeout(pending.timer)
    pending.settle(null)
    this.#pending.delete(id)
  }
}
