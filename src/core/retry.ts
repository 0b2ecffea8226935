// Retries: how long to wait before the next attempt, and the loop around an operation that may fail for a moment.
// Pure: the clock and the random numbers are arguments. Used by followers, Kafka clients and the Directory.

/** The limits of exponential backoff with jitter. */
export interface BackoffLimits {
  /** The longest wait after the first failure, in milliseconds; it doubles with each failure. */
  readonly baseMs: number
  /** The longest wait of all, in milliseconds. */
  readonly capMs: number
  /**
   * How much of the wait is random: `full` spreads over all of it, so that clients that failed together do not return
   * together; `half` waits at least half of it, for a broker that needs the time.
   */
  readonly jitter?: 'full' | 'half'
}

const DEFAULT_LIMITS: BackoffLimits = { baseMs: 200, capMs: 30_000 }

/** Returns the milliseconds to wait after `failures` failures in a row, counted from 1. `random` is in [0, 1). */
export function backoffMs(failures: number, random: number, limits: BackoffLimits = DEFAULT_LIMITS): number {
  const longestMs = Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(limits.jitter === 'half' ? longestMs * (0.5 + random / 2) : longestMs * random)
}

/** How `retry` repeats an operation. */
export interface RetryOptions {
  /** How often the operation is run at most, the first time included. */
  readonly attempts: number
  readonly backoff: BackoffLimits
  readonly sleep: (ms: number) => Promise<void>
  readonly random: () => number
  /** Whether another attempt may succeed; it is also told of the last failure. By default every failure may pass. */
  readonly isRetriable?: (error: unknown) => boolean
}

/** Runs the operation until it succeeds. Throws what the last attempt threw. */
export async function retry<T>(operation: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await operation()
    } catch (error) {
      const isRetriable = options.isRetriable?.(error) ?? true
      if (!isRetriable || failures >= options.attempts) throw error
      await options.sleep(backoffMs(failures, options.random(), options.backoff))
    }
  }
}
