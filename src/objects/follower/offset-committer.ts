// A follower's position, told to Kafka now and then, for its own tools to see the lag (KAFKA_GROUP_ID). Pure. Nothing depends
// on it, and nobody waits for it: the place is in the checkpoint, and what could not be told is told with the next.

/** As often as Kafka's consumers commit by default. */
const EVERY_MS = 5_000

export interface OffsetCommitterDeps {
  commit(offset: number): Promise<void>
  warn(error: string): void
  /** Sees to it that work comes to its end, which may take a minute when a coordinator is out of reach. */
  inBackground(work: Promise<void>): void
}

export class OffsetCommitter {
  readonly #deps: OffsetCommitterDeps
  /** The newest that was asked for; null: nothing since this object lives. */
  #offset: number | null = null
  /** The newest that was told. */
  #told: number | null = null
  #toldMs = 0
  /** One at a time: two might arrive in the wrong order. */
  #isTelling = false

  constructor(deps: OffsetCommitterDeps) {
    this.#deps = deps
  }

  moved(offset: number, nowMs: number): void {
    this.#offset = offset
    if (nowMs - this.#toldMs >= EVERY_MS) this.flush(nowMs)
  }

  flush(nowMs: number): void {
    const offset = this.#offset
    if (offset === null || offset === this.#told || this.#isTelling) return
    this.#isTelling = true
    this.#toldMs = nowMs
    this.#deps.inBackground(this.#tell(offset))
  }

  async #tell(offset: number): Promise<void> {
    try {
      await this.#deps.commit(offset)
      this.#told = offset
    } catch (error) {
      this.#deps.warn(String(error))
    } finally {
      this.#isTelling = false
    }
  }
}
