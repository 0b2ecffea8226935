// Runs asynchronous work one piece after another, in the order in which it was added. A piece that fails does not stop
// those behind it. Pure; used by Durable Objects whose calls to others must not overtake each other.

/**
 * Runs pieces of work one at a time, in the order in which they were added. The queue has no limit: callers limit what
 * they add.
 */
export class SerialQueue {
  /** Settles when everything added so far has ended; never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  /** Runs the work when everything added before has ended. Returns or throws what the work does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const own = this.#last.then(work)
    this.#last = own.catch(() => undefined)
    return own
  }

  /** Waits until everything added so far has ended. */
  async settled(): Promise<void> {
    await this.#last
  }
}
