// Waits of the connections of a shard, by one timer for each length: an object has 10,000 timers at most (workerd), and a shard has
// more connections. A timer is set only while something waits, so that an idle object can sleep.

interface Wait {
  readonly dueMs: number
  act: () => void
}

/** Waits of one length: the first that begins is the first that ends. */
class WaitQueue {
  readonly #ms: number
  readonly #nowMs: () => number
  readonly #waiting = new Set<Wait>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** What the timer was set for. */
  #timerDueMs = 0

  constructor(ms: number, nowMs: () => number) {
    this.#ms = ms
    this.#nowMs = nowMs
  }

  add(act: () => void): () => void {
    const wait: Wait = { dueMs: this.#nowMs() + this.#ms, act }
    this.#waiting.add(wait)
    if (this.#timer === undefined) this.#fireAt(wait.dueMs, this.#ms)
    return () => this.#cancel(wait)
  }

  /** It may be due at this moment, behind one that cancels it. */
  #cancel(wait: Wait): void {
    wait.act = () => undefined
    this.#waiting.delete(wait)
    if (this.#waiting.size > 0) return
    clearTimeout(this.#timer ?? null)
    this.#timer = undefined
  }

  #fireAt(dueMs: number, inMs: number): void {
    this.#timerDueMs = dueMs
    this.#timer = setTimeout(() => this.#fire(), inMs)
  }

  #fire(): void {
    this.#timer = undefined
    // A clock may be a moment behind the timer.
    const nowMs = Math.max(this.#nowMs(), this.#timerDueMs)
    const due: Wait[] = []
    for (const wait of this.#waiting) {
      if (wait.dueMs > nowMs) {
        this.#fireAt(wait.dueMs, wait.dueMs - nowMs)
        break
      }
      this.#waiting.delete(wait)
      due.push(wait)
    }
    for (const wait of due) run(wait)
  }
}

export class Waits {
  readonly #nowMs: () => number
  readonly #queues = new Map<number, WaitQueue>()

  /** `nowMs`: milliseconds since the epoch. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Calls `act` after `ms`, of which there are few different ones. Returns what cancels it. */
  after(ms: number, act: () => void): () => void {
    const queue = this.#queues.get(ms) ?? new WaitQueue(ms, this.#nowMs)
    this.#queues.set(ms, queue)
    return queue.add(act)
  }
}

/** One that fails does not keep the others waiting. */
function run(wait: Wait): void {
  try {
    wait.act()
  } catch (error) {
    console.error('what waited has failed', error)
  }
}
