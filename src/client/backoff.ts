// When to try again: exponential backoff with jitter, so that clients that were cut off together do not return together.

const BASE_MS = 500
const CAP_MS = 30_000

/** `failures` counts from 1; `random` is in [0, 1). Between half of the exponential delay and the whole of it. */
export function backoffMs(failures: number, random: number): number {
  return Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures - 1, 10)) * (0.5 + random / 2)
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). Returns milliseconds; 0 if there is none. */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs
  return Number.isFinite(ms) ? Math.max(0, ms) : 0
}
