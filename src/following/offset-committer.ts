// Commits a follower's offset to Kafka for the group KAFKA_GROUP_ID, so that Kafka's own tools show the lag. Pure. Nothing
// depends on it: the follower's position is its checkpoint, and an offset that could not be committed is superseded by
// the next. Called by consume-loop.ts after each batch.

/** The default interval of Kafka's consumers (`auto.commit.interval.ms`). */
const INTERVAL_MS = 5_000

export interface OffsetCommitterDeps {
  commit(offset: number): Promise<void>
  warn(error: string): void
  /** Keeps the object alive until the work ends, which may take a minute when a group coordinator is out of reach. */
  inBackground(work: Promise<void>): void
}

export class OffsetCommitter {
  readonly #deps: OffsetCommitterDeps
  /** The newest offset. Null until the first batch in the life of this object. */
  #offset: number | null = null
  #committed: number | null = null
  #committedMs = 0
  /** One commit at a time: two could arrive in the wrong order. */
  #isCommitting = false

  constructor(deps: OffsetCommitterDeps) {
    this.#deps = deps
  }

  moved(offset: number, nowMs: number): void {
    this.#offset = offset
    if (nowMs - this.#committedMs >= INTERVAL_MS) this.flush(nowMs)
  }

  /** Commits the newest offset now, unless it was committed or a commit is under way. */
  flush(nowMs: number): void {
    const offset = this.#offset
    if (offset === null || offset === this.#committed || this.#isCommitting) return
    this.#isCommitting = true
    this.#committedMs = nowMs
    this.#deps.inBackground(this.#commit(offset))
  }

  async #commit(offset: number): Promise<void> {
    try {
      await this.#deps.commit(offset)
      this.#committed = offset
    } catch (error) {
      this.#deps.warn(String(error))
    } finally {
      this.#isCommitting = false
    }
  }
}
