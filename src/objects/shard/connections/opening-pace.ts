// Paces new connections: who opens many gets them slowly, and takes no more than a part of the shard's minute
// (MAX_CONNECTIONS_PER_MINUTE). A user pays for the user's own connections; clients without a user pay together. Called before a
// connection is admitted.
import { PayerPace, type PayerPaceDeps, type PayerRate } from '../payer-pace.ts'

/** Connections that a user may open at once, and all clients without a user together. */
const USER_BURST = 50
const ANONYMOUS_BURST = 300
/** The part of the shard's minute that may be a user's, sessions without a user, and streams and sockets without one. */
const PART_OF_USER = 1 / 10
const PART_OF_SESSIONS = 1 / 4
const PART_OF_ANONYMOUS = 1 / 2
/** Connections per second of a user who floods: see ChangeRateLimiter. */
const FLOODED_PER_SECOND = 1

export interface OpeningPaceDeps extends PayerPaceDeps {
  /** MAX_CONNECTIONS_PER_MINUTE. */
  readonly perMinute: number
  hasFlooded(user: string): boolean
}

export class OpeningPace {
  readonly #deps: OpeningPaceDeps
  readonly #pace: PayerPace

  constructor(deps: OpeningPaceDeps) {
    this.#deps = deps
    this.#pace = new PayerPace(deps)
  }

  /** Resolves to true when the connection may be opened, or to false if it is refused. `way`: see openConnection. */
  enter(user: string | null, way: 'socket' | 'session'): Promise<boolean> {
    return this.#pace.enter(this.#rateOf(user, way))
  }

  #rateOf(user: string | null, way: 'socket' | 'session'): PayerRate {
    if (user === null)
      return way === 'socket'
        ? this.#partOf(way, PART_OF_ANONYMOUS, ANONYMOUS_BURST)
        : this.#partOf(way, PART_OF_SESSIONS, USER_BURST)
    const payer = `user ${user}`
    if (this.#deps.hasFlooded(user)) return { payer, burst: 1, perSecond: FLOODED_PER_SECOND }
    return this.#partOf(payer, PART_OF_USER, USER_BURST)
  }

  #partOf(payer: string, part: number, burst: number): PayerRate {
    const perMinute = this.#deps.perMinute * part
    return { payer, burst: Math.min(burst, Math.ceil(perMinute)), perSecond: perMinute / 60 }
  }
}
