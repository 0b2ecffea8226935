// Tells when a body comes too slowly. For request-bodies.ts.
import { MAX_READ_MS, STALL_MS } from './body-budget.ts'

export class StallTimer {
  readonly #late = Promise.withResolvers<void>()
  readonly #endMs: number
  #arrivedMs: number
  #timer: ReturnType<typeof setTimeout>

  constructor() {
    this.#arrivedMs = Date.now()
    this.#endMs = this.#arrivedMs + MAX_READ_MS
    this.#timer = setTimeout(this.#look, STALL_MS)
  }

  /** Resolves if bytes were missing for STALL_MS, or the end for MAX_READ_MS. */
  get late(): Promise<void> {
    return this.#late.promise
  }

  arrived(nowMs: number): void {
    this.#arrivedMs = nowMs
  }

  /** Must be called: the timer keeps the request alive. */
  clear(): void {
    clearTimeout(this.#timer)
  }

  /** One timer for all chunks of a body: a timer a chunk would cost more than the chunk. */
  readonly #look = (): void => {
    const leftMs = Math.min(this.#arrivedMs + STALL_MS, this.#endMs) - Date.now()
    if (leftMs > 0) this.#timer = setTimeout(this.#look, leftMs)
    else this.#late.resolve()
  }
}
