// A `ratelimits` binding for one process: permits at most `limit` calls per key and period. Pure. Used by main.ts,
// because workerd has no such binding.

export interface RateRule {
  readonly limit: number
  readonly periodSeconds: number
}

/** A key takes some hundred bytes until its period ends. Above this number, further keys share one count. */
const MAX_KEYS = 100_000
const OTHERS = '\0others'

export class RateWindow {
  readonly #rule: RateRule
  readonly #counts = new Map<string, number>()
  #period = -1

  constructor(rule: RateRule) {
    this.#rule = rule
  }

  /** Counts a call. Returns whether it is within the limit. */
  take(key: string, nowMs: number): boolean {
    const period = Math.floor(nowMs / (this.#rule.periodSeconds * 1_000))
    if (period !== this.#period) this.#counts.clear()
    this.#period = period
    const counted = this.#counts.has(key) || this.#counts.size < MAX_KEYS ? key : OTHERS
    const count = (this.#counts.get(counted) ?? 0) + 1
    this.#counts.set(counted, count)
    return count <= this.#rule.limit
  }
}
