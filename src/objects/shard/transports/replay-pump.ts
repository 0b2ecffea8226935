// Replays history in steps to a reader that does not ask for more (a WebSocket, an outbox): while little waits for the
// reader, the next step is taken; otherwise the pump looks again after a moment. A reader that takes nothing for too long
// is reported as stalled.
const HIGH_WATER_MARK_BYTES = 131_072

/** Steps in one turn: other work of the object comes in between. */
const MAX_STEPS_AT_ONCE = 4

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
  /** What waited when the pump looked last. */
  #lastBytes = Infinity
  #withoutProgressMs = 0

  constructor(options: ReplayPumpOptions) {
    this.#options = options
  }

  /** Takes steps now, and goes on by itself until `step` returns false. */
  run(): void {
    this.stop()
    this.#lastBytes = Infinity
    this.#withoutProgressMs = 0
    this.#takeSteps()
  }

  stop(): void {
    this.#cancel()
  }

  #takeSteps(): void {
    const { bufferedBytes, onStalled, step } = this.#options
    for (let taken = 0; taken < MAX_STEPS_AT_ONCE && bufferedBytes() < HIGH_WATER_MARK_BYTES; taken += 1) {
      if (!step()) return
    }
    const waiting = bufferedBytes()
    const hasProgress = waiting < HIGH_WATER_MARK_BYTES || waiting < this.#lastBytes
    this.#lastBytes = waiting
    this.#withoutProgressMs = hasProgress ? 0 : this.#withoutProgressMs + LOOK_AGAIN_MS
    if (this.#withoutProgressMs >= STALLED_AFTER_MS) return onStalled()
    this.#cancel = this.#options.after(LOOK_AGAIN_MS, () => this.#takeSteps())
  }
}
