// Which transport to use: the first of the application's list that the network lets through. For connection.ts.
import type { TransportName } from './types.ts'

/** A transport that fails so often in a row before it opens, while the server answers, is blocked on the way. */
const FAILURES_UNTIL_BLOCKED = 2
/** A blocked transport is tried again after this time: the device may be in another network by then. */
const UNBLOCK_AFTER_MS = 600_000

export class TransportChoice {
  current: TransportName
  readonly #transports: readonly TransportName[]
  readonly #isServerUp: () => Promise<boolean>
  readonly #blockedUntilMs = new Map<TransportName, number>()
  /** Failures of the current transport to open, in a row. */
  #failures = 0

  /** `isServerUp` tells a blocked transport from a server that is down. */
  constructor(transports: readonly TransportName[], isServerUp: () => Promise<boolean>) {
    this.#transports = transports
    this.#isServerUp = isServerUp
    this.current = transports[0] ?? 'websocket'
  }

  /** For the next attempt. If all are blocked, all are tried again. */
  choose(): TransportName {
    const nowMs = Date.now()
    const free = this.#transports.find((name) => (this.#blockedUntilMs.get(name) ?? 0) <= nowMs)
    if (free === undefined) this.#blockedUntilMs.clear()
    this.current = free ?? this.#transports[0] ?? this.current
    return this.current
  }

  opened(): void {
    this.#failures = 0
  }

  async failedToOpen(): Promise<void> {
    if (!(await this.#isServerUp())) return
    this.#failures += 1
    if (this.#failures < FAILURES_UNTIL_BLOCKED) return
    this.#failures = 0
    this.#blockedUntilMs.set(this.current, Date.now() + UNBLOCK_AFTER_MS)
  }
}
