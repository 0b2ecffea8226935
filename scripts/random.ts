// Random numbers that are the same for the same seed (mulberry32), for fuzz.ts, sim.ts and soak.ts: a run that failed is
// repeated by its seed.

export interface Random {
  /** In [0, 1). */
  next(this: void): number
  /** A whole number in [0, limit). */
  below(limit: number): number
  /** Whether something of this probability happens. */
  chance(probability: number): boolean
  pick<T>(from: readonly T[]): T
  bytes(count: number): Uint8Array<ArrayBuffer>
  /** Another source, whose numbers do not depend on how many are taken from this one. */
  fork(): Random
}

export function createRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (from) => from[below(from.length)] as (typeof from)[number],
    bytes: (count) => Uint8Array.from({ length: count }, () => below(256)),
    fork: () => createRandom(below(0x7fff_ffff)),
  }
}
