// A follower's position, told to Kafka now and then, for its own tools to see the lag (KAFKA_GROUP_ID). Pure. Nothing depends
// on it: the place is in the checkpoint, and what could not be told is told with the next.

/** As often as Kafka's consumers commit by default. */
const EVERY_MS = 5_000

export interface LagReportDeps {
  commit(offset: number): Promise<void>
  warn(error: string): void
}

export class LagReport {
  readonly #deps: LagReportDeps
  /** The newest that was asked for; null: nothing since this object lives. */
  #offset: number | null = null
  /** The newest that was told. */
  #told: number | null = null
  #toldMs = 0
  /** One at a time: two might arrive in the wrong order. */
  #isTelling = false

  constructor(deps: LagReportDeps) {
    this.#deps = deps
  }

  async moved(offset: number, nowMs: number): Promise<void> {
    this.#offset = offset
    if (nowMs - this.#toldMs >= EVERY_MS) await this.flush(nowMs)
  }

  async flush(nowMs: number): Promise<void> {
    const offset = this.#offset
    if (offset === null || offset === this.#told || this.#isTelling) return
    this.#isTelling = true
    this.#toldMs = nowMs
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
