// What a shard remembers of connections to explain deliveries: the filters that each had, the last 1,000 connections
// that ended, and the last 200 that were refused. In memory only, so a restart clears it. No work is done per event.
import type { ConnectionFacts, FilterSince } from '../../../core/explain/explain-connection.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { Connection } from '../connections/connection.ts'
import { userOf } from '../connections/connection-state.ts'

const MAX_ENDED = 1_000
const MAX_REFUSED = 200
/** Filters of one connection. */
const MAX_FILTERS = 4

interface Remembered {
  readonly recovered: boolean | null
  readonly hasForgotten: boolean
  readonly filters: readonly FilterSince[]
}

/** An open or ended connection. */
export interface RememberedConnection {
  readonly connectionId: string
  readonly user: string | null
  readonly facts: ConnectionFacts
  /**
   * True if the object has hibernated since the connection was opened: its current filter is assumed for its whole
   * life.
   */
  readonly isAssumed: boolean
}

/** A connection that was not opened. */
export interface RefusedConnection {
  readonly user: string | null
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

export class ConnectionHistory {
  /** The time since which connections are remembered, in milliseconds since the epoch. */
  readonly sinceMs: number
  readonly #now: () => number
  readonly #live = new WeakMap<Connection, Remembered>()
  /** Oldest first. */
  #ended: RememberedConnection[] = []
  #refused: RefusedConnection[] = []

  constructor(now: () => number) {
    this.#now = now
    this.sinceMs = now()
  }

  /** Events after `sinceSeq` go through the connection's filter. */
  opened(connection: Connection, sinceSeq: number, recovered: boolean | null): void {
    const filters = [{ filter: connection.filter, sinceSeq }]
    this.#live.set(connection, { recovered, hasForgotten: false, filters })
  }

  /** The connection has another filter, for events after `sinceSeq`. */
  refiltered(connection: Connection, sinceSeq: number): void {
    const known = this.#live.get(connection) ?? assumed(connection)
    const filters = [...known.filters, { filter: connection.filter, sinceSeq }]
    const hasForgotten = known.hasForgotten || filters.length > MAX_FILTERS
    this.#live.set(connection, { ...known, hasForgotten, filters: filters.slice(-MAX_FILTERS) })
  }

  /** `reason` is null if the client has left. */
  ended(connection: Connection, reason: RigelError | null): void {
    const text = reason === null ? 'the client left, or its network connection was lost' : toClose(reason).reason
    const remembered = this.of(connection)
    const facts = { ...remembered.facts, ended: { atMs: this.#now(), reason: text } }
    this.#ended.push({ ...remembered, facts })
    // The list grows to twice its limit before it is cut: a shift for each ended connection would cost more.
    if (this.#ended.length >= 2 * MAX_ENDED) this.#ended = this.#ended.slice(-MAX_ENDED)
  }

  refused(user: string | null, reason: RigelError): void {
    this.#refused = [...this.#refused.slice(1 - MAX_REFUSED), { user, reason: reason.kind, atMs: this.#now() }]
  }

  of(connection: Connection): RememberedConnection {
    const { progress, bufferedBytes, state } = connection
    const known = this.#live.get(connection)
    return {
      connectionId: state.id,
      user: userOf(state),
      isAssumed: known === undefined,
      facts: {
        ...(known ?? assumed(connection)),
        ...progress,
        transport: state.transport,
        openedAtMs: state.owner.openedAtMs,
        waitingBytes: bufferedBytes,
        ended: null,
      },
    }
  }

  /** Forgets the user's connections that have ended or were refused. */
  forget(user: string): void {
    this.#ended = this.#ended.filter((connection) => connection.user !== user)
    this.#refused = this.#refused.filter((connection) => connection.user !== user)
  }

  /** Newest first. */
  endedOf(user: string): readonly RememberedConnection[] {
    return this.#ended
      .slice(-MAX_ENDED)
      .filter((connection) => connection.user === user)
      .toReversed()
  }

  /** Newest first. */
  refusedOf(user: string): readonly RefusedConnection[] {
    return this.#refused.filter((connection) => connection.user === user).toReversed()
  }
}

function assumed({ filter, state }: Connection): Remembered {
  return { recovered: null, hasForgotten: false, filters: [{ filter, sinceSeq: state.startSeq }] }
}
