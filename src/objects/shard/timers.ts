// Timers for the connections of a shard. All waits of one length share a timer, because an object has at most 10,000
// timers (workerd) and a shard has more connections. A timer is set only while something waits, so that an idle object
// can hibernate.
import { logBug } from '../../telemetry/incident-log.ts'

/** Calls in one turn. Some read or write 64 KiB: a thousand of them would hold up everything else for a second. */
const MAX_AT_ONCE = 32

interface Wait {
  readonly dueMs: number
  act: () => void
}

/** Timers of one length. They end in the order in which they begin. */
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
      if (wait.dueMs > nowMs || due.length === MAX_AT_ONCE) {
        this.#fireAt(wait.dueMs, Math.max(0, wait.dueMs - nowMs))
        break
      }
      this.#waiting.delete(wait)
      due.push(wait)
    }
    for (const wait of due) run(wait)
  }
}

export class Timers {
  readonly #nowMs: () => number
  readonly #queues = new Map<number, WaitQueue>()

  /** `nowMs`: milliseconds since the epoch. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Calls `act` after `ms`, which must be one of few values. Returns a function that cancels the call. */
  after(ms: number, act: () => void): () => void {
    const queue = this.#queues.get(ms) ?? new WaitQueue(ms, this.#nowMs)
    this.#queues.set(ms, queue)
    return queue.add(act)
  }
}

/** Catches errors, so that one failing wait does not prevent the others. */
function run(wait: Wait): void {
  try {
    wait.act()
  } catch (error) {
    logBug('what waited has failed', {}, error)
  }
}
