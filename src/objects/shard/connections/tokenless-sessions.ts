// Limits sessions without a socket and without a token. They cost a client nothing, so one client could open any
// number. They may take a part of a shard's connections, and a part of its new connections per minute. A client can
// choose the shard by a position, and use a position repeatedly: such sessions may take half of the limit, and the
// Worker opens further ones at another shard. Used by long-polling and by Phoenix's long-polling.
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { ConnectionState } from './connection-state.ts'

interface TokenlessLimits {
  /** Sessions of a shard. */
  readonly anonymousSessions: number
  /** New connections of a shard per calendar minute, of every kind. */
  readonly perMinute: number
}

const MINUTE_MS = 60_000
/** The part of a minute's new connections that may be such sessions. */
const PART_OF_MINUTE = 1 / 4
/** The part of such sessions that may have chosen the shard by a position. */
const PART_AT_POSITIONS = 1 / 2

export class TokenlessSessions {
  readonly #limits: TokenlessLimits
  #count = 0
  #countAtPositions = 0
  #minute = 0
  #openedInMinute = 0

  constructor(limits: TokenlessLimits) {
    this.#limits = limits
  }

  /** Returns the limit that one more session would pass. */
  check({ atPosition, principal }: ConnectRequest, nowMs: number): Result<null, RigelError> {
    if (principal.expSeconds !== null || principal.user !== null) return ok(null)
    const { anonymousSessions, perMinute } = this.#limits
    if (this.#count >= anonymousSessions) return fail({ kind: 'too_many_connections', scope: 'shard' })
    if (atPosition === true && this.#countAtPositions >= Math.ceil(anonymousSessions * PART_AT_POSITIONS))
      return fail({ kind: 'wrong_shard' })
    const isThisMinute = Math.floor(nowMs / MINUTE_MS) === this.#minute
    if (isThisMinute && this.#openedInMinute >= Math.ceil(perMinute * PART_OF_MINUTE))
      return fail({ kind: 'too_many_connections', scope: 'minute' })
    return ok(null)
  }

  /** Counts a session that has been opened just now. */
  opened(state: ConnectionState, nowMs: number): void {
    this.restored(state)
    if (state.hasToken) return
    const minute = Math.floor(nowMs / MINUTE_MS)
    if (minute !== this.#minute) this.#openedInMinute = 0
    this.#minute = minute
    this.#openedInMinute += 1
  }

  /** Counts a session that was opened before the object was started. */
  restored(state: ConnectionState): void {
    this.#add(state, 1)
  }

  ended(state: ConnectionState): void {
    this.#add(state, -1)
  }

  #add({ atPosition, hasToken }: ConnectionState, one: 1 | -1): void {
    if (hasToken) return
    this.#count += one
    if (atPosition) this.#countAtPositions += one
  }
}
