// The time limit until a service's response to an upload begins. It pauses while the service waits for the client's upload, and restarts
// after each chunk that the service got, so that a slow or large upload does not count against the service.

export class ResponseTimeout {
  readonly #controller = new AbortController()
  readonly #timeoutMs: number
  #timer: ReturnType<typeof setTimeout> | undefined
  #hasResponse = false
  #isOver = false

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.restart()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** The time ran out; false if the request was aborted for another reason. */
  get isOver(): boolean {
    return this.#isOver
  }

  restart(): void {
    this.pause()
    // The upload may go on after the response has begun.
    if (!this.#hasResponse) {
      this.#timer = setTimeout(() => {
        this.#isOver = true
        this.#controller.abort()
      }, this.#timeoutMs)
    }
  }

  pause(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** The response has begun. */
  clear(): void {
    this.#hasResponse = true
    this.pause()
  }

  /** Breaks the request off at the service, also while its response is being sent. */
  abort(): void {
    this.pause()
    this.#controller.abort()
  }
}
