// The sessions that an isolate of the Worker may still accept, because the registry answered a moment ago: not revoked.
// Pure: the clock is an argument. Used by SessionRegistry, which confirms a revocation only when no isolate can.

/** The sessions of two spans of time. No isolate remembers sessions of an older span any more. */
export class RecentAnswers {
  readonly #rememberMs: number
  /** Answers from before the object's start are not known: until this time an isolate may remember any session. */
  readonly #knownFromMs: number
  #startedAtMs: number
  #current = new Set<string>()
  #previous = new Set<string>()

  /** `rememberMs`: how long an isolate remembers an answer. */
  constructor(rememberMs: number, nowMs: number) {
    this.#rememberMs = rememberMs
    this.#knownFromMs = nowMs + rememberMs
    this.#startedAtMs = nowMs
  }

  /** The registry answers that the session is not revoked. */
  add(session: string, nowMs: number): void {
    this.#rotate(nowMs)
    this.#current.add(session)
  }

  /** Returns for how many milliseconds from now an isolate may still accept the session. */
  remainingMs(session: string, nowMs: number): number {
    this.#rotate(nowMs)
    if (this.#current.has(session) || this.#previous.has(session)) return this.#rememberMs
    return Math.max(0, this.#knownFromMs - nowMs)
  }

  #rotate(nowMs: number): void {
    const spans = Math.floor((nowMs - this.#startedAtMs) / this.#rememberMs)
    if (spans < 1) return
    this.#previous = spans === 1 ? this.#current : new Set()
    this.#current = new Set()
    this.#startedAtMs += spans * this.#rememberMs
  }
}
