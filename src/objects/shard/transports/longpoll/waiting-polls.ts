// The polls of one long-polling session that wait for its next event. Tabs share a session by its cookies: each of them waits.
// Used by longpoll-session.ts.
import type { RigelError } from '../../../../core/errors.ts'
import type { Timers } from '../../timers.ts'

/** The most polls of one session that wait at a time. Browsers open at most this many connections to a host (HTTP/1.1). */
const MAX_WAITING_POLLS = 6

export class WaitingPolls {
  readonly #timers: Timers
  readonly #waitMs: number
  /** Each ends a poll that waits, oldest first. */
  readonly #waiting = new Set<(reason: RigelError | null) => void>()

  /** `waitMs`: a poll waits no longer. */
  constructor(timers: Timers, waitMs: number) {
    this.#timers = timers
    this.#waitMs = waitMs
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Resolves to null when the poll is to read again, or to the reason why the session ended. */
  wait(): Promise<RigelError | null> {
    const [oldest] = this.#waiting
    if (this.#waiting.size >= MAX_WAITING_POLLS) oldest?.(null)
    return new Promise((resolve) => {
      const wake = (reason: RigelError | null) => {
        cancel()
        this.#waiting.delete(wake)
        resolve(reason)
      }
      const cancel = this.#timers.after(this.#waitMs, () => wake(null))
      this.#waiting.add(wake)
    })
  }

  /** Null: they read again. */
  wakeAll(reason: RigelError | null): void {
    for (const wake of this.#waiting) wake(reason)
  }
}
