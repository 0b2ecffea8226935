// Replays history in steps to a reader that does not ask for more (a WebSocket, an outbox). Each step has a turn of its
// own, so that other work of the object comes in between. While little waits for the reader, the next step follows soon;
// otherwise the pump looks again later. A reader that takes nothing for too long is reported as stalled.
const HIGH_WATER_MARK_BYTES = 131_072

/** The pause after a step: live events and other readers are served first. */
const NEXT_STEP_MS = 2
const LOOK_AGAIN_MS = 10
const STALLED_AFTER_MS = 30_000

interface ReplayPumpOptions {
  readonly bufferedBytes: () => number
  /** Writes the next chunk. Returns whether there is more to write now. */
  readonly step: () => boolean
  readonly onStalled: () => void
  /** Calls `act` after `ms`. Returns what cancels it. */
  readonly after: (ms: number, act: () => void) => () => void
}

export class ReplayPump {
  readonly #options: ReplayPumpOptions
  #cancel: () => void = () => undefined
  /** A step may end the connection that it writes to. */
  #isStopped = true
  /** What waited when the pump looked last. */
  #lastBytes = Infinity
  #withoutProgressMs = 0

  constructor(options: ReplayPumpOptions) {
    this.#options = options
  }

  /** Takes a step now, and goes on by itself until `step` returns false. */
  run(): void {
    this.#cancel()
    this.#isStopped = false
    this.#lastBytes = Infinity
    this.#withoutProgressMs = 0
    this.#takeStep()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #takeStep(): void {
    const { after, bufferedBytes, onStalled, step } = this.#options
    if (bufferedBytes() < HIGH_WATER_MARK_BYTES && !step()) return
    if (this.#isStopped) return
    const waiting = bufferedBytes()
    const hasRoom = waiting < HIGH_WATER_MARK_BYTES
    const hasProgress = hasRoom || waiting < this.#lastBytes
    this.#lastBytes = waiting
    this.#withoutProgressMs = hasProgress ? 0 : this.#withoutProgressMs + LOOK_AGAIN_MS
    if (this.#withoutProgressMs >= STALLED_AFTER_MS) return onStalled()
    this.#cancel = after(hasRoom ? NEXT_STEP_MS : LOOK_AGAIN_MS, () => this.#takeStep())
  }
}
