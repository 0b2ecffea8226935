// What a shard remembers of connections to explain deliveries: the filters that each had, the last 1,000 connections
// that ended, and the last 200 that were refused. In memory only, so a restart clears it. No work is done per event.
// Filters that are no longer in force count against no connection: they have a budget of their own.
import type { ConnectionFacts, FilterSince } from '../../../core/explain/explain-connection.ts'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { Connection } from '../connections/connection.ts'
import { userOf } from '../connections/connection-state.ts'

const MAX_ENDED = 1_000
const MAX_REFUSED = 200
/** Filters of one connection. */
const MAX_FILTERS = 4
/** Size of all filters that are no longer in force, about. If there is more, the oldest ended connections are forgotten. */
const MAX_FILTER_BYTES = 4_194_304

interface Remembered {
  readonly recovered: boolean | null
  readonly hasForgotten: boolean
  readonly filters: readonly FilterSince[]
  /** Size of those that are no longer in force. */
  readonly bytes: number
}

interface Ended extends RememberedConnection {
  readonly bytes: number
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
  #ended: Ended[] = []
  #bytes = 0
  #refused: RefusedConnection[] = []

  constructor(now: () => number) {
    this.#now = now
    this.sinceMs = now()
  }

  /** Events after `sinceSeq` go through the connection's filter. */
  opened(connection: Connection, sinceSeq: number, recovered: boolean | null): void {
    const filters = [{ filter: connection.filter, sinceSeq }]
    this.#live.set(connection, { recovered, hasForgotten: false, filters, bytes: 0 })
  }

  /** The connection has another filter, for events after `sinceSeq`. */
  refiltered(connection: Connection, sinceSeq: number): void {
    const known = this.#live.get(connection) ?? assumed(connection)
    const filters = [...known.filters, { filter: connection.filter, sinceSeq }].slice(-MAX_FILTERS)
    const hasForgotten = known.hasForgotten || known.filters.length >= MAX_FILTERS
    const bytes = sizeOf(filters.slice(0, -1))
    this.#bytes -= known.bytes
    const isKept = this.#makeRoom(bytes)
    if (isKept) this.#bytes += bytes
    this.#live.set(
      connection,
      isKept
        ? { ...known, hasForgotten, filters, bytes }
        : { ...known, hasForgotten: true, filters: filters.slice(-1), bytes: 0 },
    )
  }

  /** `reason` is null if the client has left. */
  ended(connection: Connection, reason: RigelError | null): void {
    const text = reason === null ? 'the client left, or its network connection was lost' : toClose(reason).reason
    const remembered = this.of(connection)
    this.#bytes -= this.#live.get(connection)?.bytes ?? 0
    this.#live.delete(connection)
    const bytes = sizeOf(remembered.facts.filters)
    if (!this.#makeRoom(bytes)) return
    this.#bytes += bytes
    const facts = { ...remembered.facts, ended: { atMs: this.#now(), reason: text } }
    this.#ended.push({ ...remembered, facts, bytes })
    // The list grows to twice its limit before it is cut: a shift for each ended connection would cost more.
    if (this.#ended.length >= 2 * MAX_ENDED) this.#forgetOldest(this.#ended.length - MAX_ENDED)
  }

  /** Returns false if there is no room although all ended connections were forgotten. */
  #makeRoom(bytes: number): boolean {
    while (this.#bytes + bytes > MAX_FILTER_BYTES && this.#ended.length > 0)
      this.#forgetOldest(Math.ceil(this.#ended.length / 4))
    return this.#bytes + bytes <= MAX_FILTER_BYTES
  }

  #forgetOldest(count: number): void {
    for (const { bytes } of this.#ended.splice(0, count)) this.#bytes -= bytes
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
    for (const ended of this.#ended) if (ended.user === user) this.#bytes -= ended.bytes
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
  return { recovered: null, hasForgotten: false, filters: [{ filter, sinceSeq: state.startSeq }], bytes: 0 }
}

/** What a type or a member of a constraint takes beside its text. */
const OVERHEAD_BYTES = 64

function sizeOf(filters: readonly FilterSince[]): number {
  let bytes = 0
  for (const { filter } of filters) {
    for (const [type, constraints] of filter.byType) {
      bytes += OVERHEAD_BYTES + type.length
      // Most subscriptions have none: nothing is encoded for them.
      for (const constraint of constraints) bytes += OVERHEAD_BYTES + JSON.stringify(constraint).length
    }
  }
  return bytes
}
