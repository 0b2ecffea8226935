// Virtual time: work that sleeps is resumed in order, when everything that is ready has run. Also random numbers from a seed.

interface Sleeper {
  readonly atMs: number
  readonly resume: () => void
}

export class VirtualClock {
  readonly #heap: Sleeper[] = []
  nowMs = 0

  sleep(ms: number): Promise<void> {
    return new Promise((resume) => this.#push({ atMs: this.nowMs + ms, resume }))
  }

  /** Runs until `endMs`. What sleeps then stays asleep. */
  async run(endMs: number): Promise<void> {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > endMs) return
      this.nowMs = next.atMs
      while (this.#heap[0]?.atMs === next.atMs) this.#pop()?.resume()
      // Promises that are resolved run to their next sleep first.
      await new Promise(setImmediate)
    }
  }

  #push(sleeper: Sleeper): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(sleeper)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || above.atMs <= sleeper.atMs) break
      heap[at] = above
      at = parent
    }
    heap[at] = sleeper
  }

  #pop(): Sleeper | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if ((heap[child + 1]?.atMs ?? Infinity) < (heap[child]?.atMs ?? Infinity)) child += 1
      const below = heap[child]
      if (below === undefined || below.atMs >= last.atMs) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return top
  }
}

/** Times between independent events. */
export function exponential(random: () => number, meanMs: number): number {
  return -Math.log(1 - random()) * meanMs
}
