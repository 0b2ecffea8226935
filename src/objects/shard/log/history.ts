// What is stored already, for clients that ask by time: where a connection begins to read, and pages of events without a
// connection. A shard stores a type only while it is interested in it, so the answer says since when it is complete.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { patternsOf } from '../../../core/events/event-type-pattern.ts'
import type { FilterRights } from '../../../core/rules/filter-rights.ts'
import { createFilter, matchesFilter, withRights } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { HistoryPage } from '../../../rpc/shard.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { CommittedLog } from './committed-log.ts'
import type { LogStore } from './log-store.ts'

/** Limits of one page: a request reads and returns about this much at most. */
const READ_BYTES = 65_536
const MAX_READ_BYTES = 2_097_152
const MAX_RETURNED_CHARS = 524_288

/** How far `as_of`, which a client could make up, leads into the past of types whose history it may not read. */
const RECENT_MS = 300_000

interface HistoryDeps {
  readonly log: Pick<CommittedLog, 'committedSeq' | 'resumable' | 'settle'>
  readonly store: Pick<LogStore, 'floor' | 'read' | 'times' | 'position' | 'trim'>
  readonly interests: Pick<InterestRegistry, 'sinceMsOf'>
  readonly shardMap: Pick<KnownShardMap, 'cameBy' | 'predatesReturn'>
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves when what else has waited has had its turn. */
  pause(): Promise<void>
}

/** Where a client that asks by time begins. */
export interface HistoryPlace {
  readonly seq: number
  /** All events that the client may get are stored from then on. Null: not all of its types are stored. */
  readonly completeSinceMs: number | null
}

export interface HistoryQuery {
  readonly user: string | null
  readonly subscriptions: readonly Subscription[]
  readonly rights: FilterRights | undefined
  /** Position to read on from; null: by time. */
  readonly after: string | null
  /** Milliseconds since the epoch; 0: everything. */
  readonly sinceMs: number
  /** Most events of the page. */
  readonly limit: number
}

export class StoredHistory {
  readonly #deps: HistoryDeps

  constructor(deps: HistoryDeps) {
    this.#deps = deps
  }

  placeOf(sinceMs: number, user: string | null, subscriptions: readonly Subscription[]): HistoryPlace {
    const { log, store } = this.#deps
    store.trim(this.#deps.now())
    const seq = Math.min(store.times.positionBefore(sinceMs), log.committedSeq)
    return { seq, completeSinceMs: this.#completeSinceMs(user, subscriptions) }
  }

  /** Returns `seq`, or the place in the log behind it up to where everything is older than what a client can have loaded as it comes. */
  recentFrom(seq: number): number {
    const { log, store } = this.#deps
    const sinceMs = this.#deps.now() - RECENT_MS
    const isRecent = (store.times.appendedAfterMs(seq) ?? sinceMs) >= sinceMs
    return isRecent ? seq : Math.max(seq, Math.min(store.times.positionBefore(sinceMs), log.committedSeq))
  }

  /**
   * Undefined: the position is not of this log, or its events are no longer kept. Live events go on between the steps of a page: one that
   * nothing matches reads 2 MiB.
   */
  async page({ after, limit, rights, sinceMs, subscriptions, user }: HistoryQuery): Promise<HistoryPage | undefined> {
    const { log, store } = this.#deps
    const place = this.placeOf(sinceMs, user, subscriptions)
    const from = after === null ? place.seq : log.resumable(after)
    if (from === undefined || (after !== null && this.#deps.shardMap.predatesReturn(user, from))) return undefined
    let seq: number = from
    const filter = withRights(createFilter('', user, subscriptions), rights)
    const events: HistoryPage['events'][number][] = []
    let chars = 0
    for (let bytes = 0; bytes < MAX_READ_BYTES && chars < MAX_RETURNED_CHARS; bytes += READ_BYTES) {
      const read: readonly StoredEvent[] = store.read(seq, READ_BYTES).filter((event) => event.seq <= log.committedSeq)
      for (const event of read) {
        if (events.length === limit) break
        seq = event.seq
        if (!matchesFilter(filter, event)) continue
        events.push({ id: store.position(event.seq), json: event.json })
        chars += event.json.length
      }
      if (events.length === limit) break
      if (read.length === 0) {
        seq = Math.max(seq, log.committedSeq)
        break
      }
      await this.#deps.pause()
      // Retention was faster: events behind the page are missing, which the answer to the next request says.
      if (seq < store.floor) break
    }
    const hasMore = seq < log.committedSeq
    return { events, lastEventId: store.position(seq), completeSinceMs: place.completeSinceMs, hasMore }
  }

  #completeSinceMs(user: string | null, subscriptions: readonly Subscription[]): number | null {
    const { interests, shardMap, store } = this.#deps
    const at = (seq: number) => store.times.appendedAfterMs(seq) ?? this.#deps.now()
    // What was dropped may have been stored in the millisecond of the first event that is left.
    const times = store.floor > 0 ? [at(store.floor) + 1] : []
    // Before it came to this shard, events that were addressed to the user went elsewhere.
    const came = user === null ? undefined : shardMap.cameBy(user)
    if (came !== undefined) times.push(came.completeMs ?? at(came.seq))
    // A log that nothing was dropped from began before the shard was interested in any type.
    if (times.length === 0 && subscriptions.length === 0) times.push(at(0))
    for (const { eventType } of subscriptions) {
      const known = patternsOf(eventType).flatMap((pattern) => this.#typeSinceMs(interests.sinceMsOf(pattern)) ?? [])
      if (known.length === 0) return null
      times.push(Math.min(...known))
    }
    return Math.max(...times)
  }

  /** Versions before did not store the time: the first event behind the place is not earlier. */
  #typeSinceMs(since: { readonly seq: number; readonly ms: number | null } | undefined): number | undefined {
    if (since === undefined) return undefined
    return since.ms ?? this.#deps.store.times.appendedAfterMs(since.seq) ?? this.#deps.now()
  }
}
