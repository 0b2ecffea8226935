// The health of a follower's runs: failures in a row, the last error, and when to try again. Pure. Used by topic-follower.ts;
// the consume loop reports success to it after each batch.
import { backoffMs } from '../core/retry.ts'

/** A missing partition is looked for this often, sooner at first: a broker that has just started may not know it yet. */
const UNKNOWN_RETRY = { baseMs: 1_000, capMs: 30_000 }

/** Reported for a partition that was followed: the topic was deleted, or its brokers have lost it. */
export const NO_PARTITION = 'there is no such topic or partition'

export class RunHealth {
  #failures = 0
  /** Runs in a row that did not find the partition. */
  #unknowns = 0
  #lastError: string | null = null
  /** An alarm is set for this time, and nudges wait for it: producers must not cause retries faster than the backoff. */
  #retryAtMs = 0
  readonly #recovered: (failures: number) => void

  /** `recovered` is told how many failures in a row have ended. */
  constructor(recovered: (failures: number) => void) {
    this.#recovered = recovered
  }

  get failures(): number {
    return this.#failures + this.#unknowns
  }

  get lastError(): string | null {
    return this.#lastError ?? (this.#unknowns > 0 ? NO_PARTITION : null)
  }

  get retryAtMs(): number {
    return this.#retryAtMs
  }

  succeeded(): void {
    if (this.#failures > 0) this.#recovered(this.#failures)
    this.#failures = 0
    this.#retryAtMs = 0
    this.#lastError = null
  }

  /** The partition was found. */
  found(): void {
    this.#unknowns = 0
  }

  /** Returns when to try again, in milliseconds since the epoch. `random` is in [0, 1). */
  failed(error: unknown, nowMs: number, random: number): number {
    this.#failures += 1
    this.#lastError = String(error)
    this.#retryAtMs = nowMs + backoffMs(this.#failures, random)
    return this.#retryAtMs
  }

  /** Returns when to look again, and whether this is the first run in a row that did not find the partition. */
  notFound(nowMs: number, random: number): { readonly atMs: number; readonly isFirst: boolean } {
    this.#unknowns += 1
    return { atMs: nowMs + backoffMs(this.#unknowns, random, UNKNOWN_RETRY), isFirst: this.#unknowns === 1 }
  }
}
