// How long to wait before trying again: exponential with full jitter, so that what failed together does not come back
// together. Pure.

/** `failures` counts from 1; `random` is in [0, 1). */
export function backoffMs(failures: number, random: number, limits = { baseMs: 200, capMs: 30_000 }): number {
  return Math.round(random * Math.min(limits.capMs, limits.baseMs * 2 ** Math.min(failures - 1, 30)))
}
