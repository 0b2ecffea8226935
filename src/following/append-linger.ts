// Limits how often a follower appends to shards (APPEND_LINGER_MS), as linger.ms does for a Kafka producer. Each append to a
// shard is billed as a row and a request; batches that are some hundred milliseconds apart need fewer. The first batch after
// a pause does not wait. Pure.

export interface AppendLingerDeps {
  /** Milliseconds since the epoch. */
  nowMs(): number
  sleep(ms: number): Promise<void>
}

export class AppendLinger {
  readonly #lingerMs: number
  readonly #deps: AppendLingerDeps
  #lastAppendMs = -Infinity

  /** `lingerMs`: least time between two batches; 0 for none. */
  constructor(lingerMs: number, deps: AppendLingerDeps) {
    this.#lingerMs = lingerMs
    this.#deps = deps
  }

  /** False if batches need not wait. */
  get isOn(): boolean {
    return this.#lingerMs > 0
  }

  /** Resolves when the next batch may be fetched; undefined: it may be now. */
  next(): Promise<void> | undefined {
    if (!this.isOn) return undefined
    const waitMs = this.#lastAppendMs + this.#lingerMs - this.#deps.nowMs()
    return waitMs > 0 ? this.#deps.sleep(waitMs) : undefined
  }

  /** A batch was appended. */
  appended(): void {
    this.#lastAppendMs = this.#deps.nowMs()
  }
}
