// The time that a service has until its answer begins. It stands while the service waits for the client, and begins anew
// when the service got something: neither a slow upload nor a large one is its fault.

export class ResponseTimeout {
  readonly #over = new AbortController()
  readonly #timeoutMs: number
  #timer: ReturnType<typeof setTimeout> | null = null
  #isMet = false

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.begin()
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  begin(): void {
    clearTimeout(this.#timer)
    // The body may go on after the answer has begun.
    if (!this.#isMet) this.#timer = setTimeout(() => this.#over.abort(), this.#timeoutMs)
  }

  stand(): void {
    clearTimeout(this.#timer)
  }

  met(): void {
    this.#isMet = true
    clearTimeout(this.#timer)
  }
}
