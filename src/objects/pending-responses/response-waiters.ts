// The places where requests wait for their answers, each for a time. In memory: a request does not outlive what waits for
// it. For AnswerDesk.
import type { BackendResponse } from '../../core/events/correlated-response.ts'

interface Place {
  readonly answered: Promise<BackendResponse | null>
  settle(answer: BackendResponse | null): void
  readonly timer: ReturnType<typeof setTimeout>
}

export class ResponseWaiters {
  readonly #places = new Map<string, Place>()
  readonly #maxWaiting: number

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  get waiting(): number {
    return this.#places.size
  }

  /** Before the request goes out, so that no answer can be faster. False: too many wait already. */
  expect(id: string, timeoutMs: number): boolean {
    if (this.#places.size >= this.#maxWaiting) return false
    const { promise: answered, resolve: settle } = Promise.withResolvers<BackendResponse | null>()
    // A client may leave before its request comes to take: nobody but the timer clears its place then.
    this.#places.set(id, { answered, settle, timer: setTimeout(() => this.forget(id), timeoutMs) })
    return true
  }

  /** Null: none came in time, or nobody expects it. */
  async take(id: string): Promise<BackendResponse | null> {
    const place = this.#places.get(id)
    if (place === undefined) return null
    const answer = await place.answered
    this.forget(id)
    return answer
  }

  /** The first one counts. Late and repeated ones find nobody. */
  answer(id: string, answer: BackendResponse): void {
    this.#places.get(id)?.settle(answer)
  }

  /** The request was answered otherwise, or waited long enough. */
  forget(id: string): void {
    const place = this.#places.get(id)
    if (place === undefined) return
    clearTimeout(place.timer)
    place.settle(null)
    this.#places.delete(id)
  }
}
