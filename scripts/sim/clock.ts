// The simulation's time, timers and random numbers, which replace the global ones: code that waits ten seconds takes none,
// and the same seed gives the same run. Between two timers every promise that can settle does.
import type { Random } from '../random.ts'

interface Timer {
  readonly id: number
  readonly atMs: number
  readonly act: () => void
}

const START_MS = Date.UTC(2026, 0, 1)
const realImmediate = setTimeout

export class Clock {
  #nowMs = START_MS
  #next = 1
  readonly #timers = new Map<number, Timer>()
  /** What a timer threw. */
  onError: (error: unknown) => void = (error) => {
    throw error
  }

  get nowMs(): number {
    return this.#nowMs
  }

  schedule(inMs: number, act: () => void): number {
    const id = this.#next
    this.#next += 1
    this.#timers.set(id, { id, atMs: this.#nowMs + Math.max(0, inMs || 0), act })
    return id
  }

  cancel(id: number): void {
    this.#timers.delete(id)
  }

  /** Calls `act` again and again. The timer's present id is in what it returns. */
  repeat(everyMs: number, act: () => void): { id: number } {
    const timer = { id: 0 }
    const run = () => {
      timer.id = this.schedule(everyMs, run)
      act()
    }
    timer.id = this.schedule(everyMs, run)
    return timer
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.schedule(ms, resolve))
  }

  /** Begins a schedule: at the same time as every other, without the timers of the one before. */
  reset(): void {
    this.#timers.clear()
    this.#nowMs = START_MS
    this.#next = 1
  }

  /** Runs timers in their order until `isDone`, or until none is left. Returns whether it is done. */
  async run(isDone: () => boolean, untilMs = Infinity): Promise<boolean> {
    for (;;) {
      await settle()
      if (isDone()) return true
      const timer = this.#earliest()
      if (timer === undefined || timer.atMs > untilMs) return false
      this.#timers.delete(timer.id)
      this.#nowMs = timer.atMs
      try {
        timer.act()
      } catch (error) {
        this.onError(error)
      }
    }
  }

  /** Timers of one time run in the order in which they were set. */
  #earliest(): Timer | undefined {
    let earliest: Timer | undefined
    for (const timer of this.#timers.values()) {
      if (earliest === undefined || timer.atMs < earliest.atMs) earliest = timer
    }
    return earliest
  }
}

/** Lets every promise settle that can without a timer: a turn of the real event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => void immediate(resolve))
}

const { setImmediate: immediate = (act: () => void) => realImmediate(act) } = globalThis as unknown as {
  setImmediate?: (act: () => void) => unknown
}

/** Replaces the global clock, timers and random numbers. */
export function installClock(clock: Clock, random: () => Random): void {
  Date.now = () => clock.nowMs
  const RealDate = Date
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: []) => (args.length === 0 ? new target(clock.nowMs) : new target(...args)),
  })
  Math.random = () => random().next()
  const globals = {
    setTimeout: (act: () => void, ms = 0) => clock.schedule(ms, act),
    clearTimeout: (id: number | undefined) => (id === undefined ? undefined : clock.cancel(id)),
    setInterval: (act: () => void, ms = 0) => clock.repeat(ms, act),
    clearInterval: (timer: { id: number } | null) => timer !== null && clock.cancel(timer.id),
    scheduler: { wait: (ms: number) => clock.wait(ms) },
    WebSocketRequestResponsePair: Object,
  }
  Object.assign(globalThis, globals)
  Object.defineProperty(globalThis, 'crypto', {
    value: {
      randomUUID: () => `${hex(random(), 4)}-${hex(random(), 2)}-4${hex(random(), 1)}0-8000-${hex(random(), 6)}`,
      getRandomValues: (bytes: Uint8Array) => {
        bytes.set(random().bytes(bytes.length))
        return bytes
      },
    },
  })
}

function hex(random: Random, bytes: number): string {
  return Array.from(random.bytes(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
