// Times as milliseconds since the epoch. Pure.

/**
 * The latest time that Rigel works with, in 2255: an alarm is a 64-bit number of nanoseconds, and one that is set for later fails.
 * A token or a revocation that ends later, ends then.
 */
export const LATEST_MS = 9_000_000_000_000

/** Returns the time in ISO 8601, or null if there is no such date: producers of Kafka choose timestamps freely. */
export function isoTime(ms: number): string | null {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}
