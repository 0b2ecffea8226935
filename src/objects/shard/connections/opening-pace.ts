// Paces new connections: who opens many gets them slowly, and takes no more than a part of the shard's minute
// (MAX_CONNECTIONS_PER_MINUTE). A user pays for the user's own connections; clients without a user pay together. After a burst a
// connection waits for its turn; when the turn is more than a second away, it is refused. Called before a connection is admitted.

/** Connections that a user may open at once, and all clients without a user together. */
const USER_BURST = 50
const ANONYMOUS_BURST = 300
/** The part of the shard's minute that may be a user's, sessions without a user, and streams and sockets without one. */
const PART_OF_USER = 1 / 10
const PART_OF_SESSIONS = 1 / 4
const PART_OF_ANONYMOUS = 1 / 2
/** Connections per second of a user who floods: see ChangeRateLimiter. */
const FLOODED_PER_SECOND = 1

const MAX_WAIT_MS = 1_000
/** Waits are multiples of this: few, as Timers wants, and short, so that few are due together. */
const STEP_MS = 50
/** Limit of refusals of one payer that wait. Further ones come at once. */
const MAX_REFUSING = 10
/** Limit of payers. One that has paid nothing for a burst's time is as one that is not known. */
const MAX_PAYERS = 10_000

export interface OpeningPaceDeps {
  /** MAX_CONNECTIONS_PER_MINUTE. */
  readonly perMinute: number
  nowMs(): number
  after(ms: number, act: () => void): void
  hasFlooded(user: string): boolean
}

/** `left` is below zero by the number of connections that wait. */
interface OpeningBucket {
  left: number
  atMs: number
  refusing: number
}

interface Rate {
  readonly payer: string
  readonly burst: number
  readonly perSecond: number
}

export class OpeningPace {
  readonly #deps: OpeningPaceDeps
  /** The one that has paid last is the last. */
  readonly #buckets = new Map<string, OpeningBucket>()

  constructor(deps: OpeningPaceDeps) {
    this.#deps = deps
  }

  /** Resolves to true when the connection may be opened, or to false if it is refused. `way`: see openConnection. */
  async enter(user: string | null, way: 'socket' | 'session'): Promise<boolean> {
    const rate = this.#rateOf(user, way)
    const bucket = this.#refill(rate)
    const waitMs = Math.ceil(((1 - bucket.left) / rate.perSecond) * (1_000 / STEP_MS)) * STEP_MS
    if (waitMs > MAX_WAIT_MS) return this.#refuse(bucket)
    bucket.left -= 1
    if (waitMs > 0) await this.#wait(waitMs)
    return true
  }

  /** Late, so that a client that waits for its answers becomes slow. */
  async #refuse(bucket: OpeningBucket): Promise<false> {
    if (bucket.refusing >= MAX_REFUSING) return false
    bucket.refusing += 1
    await this.#wait(MAX_WAIT_MS)
    bucket.refusing -= 1
    return false
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.after(ms, resolve))
  }

  #rateOf(user: string | null, way: 'socket' | 'session'): Rate {
    if (user === null)
      return way === 'socket'
        ? this.#partOf(way, PART_OF_ANONYMOUS, ANONYMOUS_BURST)
        : this.#partOf(way, PART_OF_SESSIONS, USER_BURST)
    const payer = `user ${user}`
    if (this.#deps.hasFlooded(user)) return { payer, burst: 1, perSecond: FLOODED_PER_SECOND }
    return this.#partOf(payer, PART_OF_USER, USER_BURST)
  }

  #partOf(payer: string, part: number, burst: number): Rate {
    const perMinute = this.#deps.perMinute * part
    return { payer, burst: Math.min(burst, Math.ceil(perMinute)), perSecond: perMinute / 60 }
  }

  #refill({ burst, payer, perSecond }: Rate): OpeningBucket {
    const nowMs = this.#deps.nowMs()
    const known = this.#buckets.get(payer)
    const bucket = known ?? { left: burst, atMs: nowMs, refusing: 0 }
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) / 1_000) * perSecond)
    bucket.atMs = nowMs
    this.#buckets.delete(payer)
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined && this.#buckets.size >= MAX_PAYERS) this.#buckets.delete(oldest)
    this.#buckets.set(payer, bucket)
    return bucket
  }
}
