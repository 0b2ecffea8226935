// Reads from the log of a moved client's old shard, and from this shard's log what the old one does not have: at most the
// batch under way of each topic-partition (core/shard-map/routing.ts says why). The old shard answers by
// log/moved-history.ts. Used by old-shard-replayer.ts, polls and subscriptions.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { shardOfPosition, type LogPlace } from '../../../core/identity/position.ts'
import type { SeenRange, SeenRanges } from '../../../core/shard-map/coverage.ts'
import { passesRights, type FilterRights } from '../../../core/rules/filter-rights.ts'
import { matchesFilter, withRights } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import {
  toFilter,
  type FilterSpec,
  type MovedDelivered,
  type MovedPosition,
  type SeenPlace,
} from '../../../rpc/moved-history.ts'
import { shardStub } from '../../../rpc/shard.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { LogStore } from '../log/log-store.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { ShardLogEnd } from '../log/uncovered.ts'
import type { ShardContext } from '../shard-context.ts'
import type { OldShardReplay } from './old-shard-replay.ts'
import type { Timers } from '../timers.ts'

/** The old log has been read to its end. */
export interface OldLogEnd {
  /** What it had stored then. */
  readonly seen: SeenRanges
  /** The end of this log before the old shard was asked. */
  readonly before: ShardLogEnd
}

type OldShardChunk =
  | {
      readonly kind: 'events'
      readonly events: readonly StoredEvent[]
      readonly seq: number
      /** Null: the old log has more. */
      readonly atEnd: OldLogEnd | null
    }
  | { readonly kind: 'trimmed' }

/** Events that a client missed, and from where on it reads in this log. */
interface RemainingEvents {
  readonly events: readonly StoredEvent[]
  readonly seq: number
}

/** What a client gets of both logs. */
export interface OwnFilterSpec extends FilterSpec {
  readonly rights?: FilterRights | undefined
}

/** Calls old shards, and finds what this log has beyond theirs. */
export class OldShardReader {
  readonly #context: Pick<ShardContext, 'env'>
  readonly #log: CommittedLog
  readonly #store: LogStore
  readonly #timers: Timers
  readonly #shardMap: Pick<KnownShardMap, 'predatesReturn'>

  constructor(
    context: Pick<ShardContext, 'env'>,
    log: CommittedLog,
    store: LogStore,
    timers: Timers,
    shardMap: Pick<KnownShardMap, 'predatesReturn'>,
  ) {
    this.#shardMap = shardMap
    this.#timers = timers
    this.#context = context
    this.#log = log
    this.#store = store
  }

  /** Null: the position is too old, or of a log that is gone. Rejects if the old shard does not answer. */
  find(place: LogPlace, position: string, subscriptions: readonly Subscription[]): Promise<MovedPosition | null> {
    return shardStub(this.#context.env, shardOfPosition(place)).findMovedPosition(position, subscriptions)
  }

  /** Returns the next events of the old log, after `from`. Rejects if the old shard does not answer. */
  async next(
    { delivered, historySeq }: OldShardReplay,
    { rights: own, ...filter }: OwnFilterSpec,
    from: LogPlace,
  ): Promise<OldShardChunk> {
    // Sequence numbers are of the old log here.
    const rights = own && { ...own, historySeq }
    const before = this.#store.end
    const chunk = await shardStub(this.#context.env, shardOfPosition(from)).readMoved({ from, filter, delivered })
    if (chunk.kind === 'trimmed') return chunk
    const { seen, seq } = chunk
    // The rules are applied here: the old shard knows the subscriptions, not the token.
    const events = rights === undefined ? chunk.events : chunk.events.filter((event) => passesRights(rights, event))
    return { kind: 'events', events, seq, atEnd: seen === null ? null : { seen: toRanges(seen), before } }
  }

  /**
   * Returns all that a client missed, and up to where in this log. Undefined: it is more than about `maxChars`, or no longer
   * kept. Rejects if the old shard does not answer.
   */
  async readAll(
    replay: OldShardReplay,
    filter: () => OwnFilterSpec,
    maxChars: number,
  ): Promise<RemainingEvents | undefined> {
    const { delivered, from: first } = replay
    const missed: StoredEvent[] = []
    for (let from = first, chars = 0; chars < maxChars;) {
      const chunk = await this.next(replay, filter(), from)
      if (chunk.kind === 'trimmed') return undefined
      missed.push(...chunk.events)
      chars += chunk.events.reduce((sum, { json }) => sum + json.length, 0)
      from = { ...from, seq: chunk.seq }
      if (chunk.atEnd === null) continue
      const { events, seq } = await this.end(chunk.atEnd, filter(), delivered)
      return { events: [...missed, ...events], seq }
    }
    return undefined
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timers.after(ms, resolve))
  }

  /**
   * To be called when the old log has been read to its end. Nothing may be awaited between its result and reading on.
   */
  async end(
    reached: OldLogEnd,
    { rights, ...filter }: OwnFilterSpec,
    delivered: MovedDelivered | null,
  ): Promise<RemainingEvents> {
    await this.#log.settle()
    const seq = this.#log.committedSeq
    const wanted = withRights(toFilter(filter), rights)
    const given = delivered?.untilSeq === Infinity ? toFilter(delivered.filter) : null
    const events = this.#store
      .readUncovered(reached.seen, reached.before)
      // What this log has from before the user left this shard and came back, its client was sent then.
      .filter((event) => !this.#shardMap.predatesReturn(filter.user, event.seq - 1))
      .filter((event) => event.seq <= seq && matchesFilter(wanted, event))
      .filter((event) => given === null || !matchesFilter(given, event))
    return { events, seq }
  }
}

function toRanges(seen: readonly SeenPlace[]): SeenRanges {
  return Object.fromEntries(
    seen.map(({ key, generation, nextOffset }): [string, SeenRange] => [key, [generation, nextOffset]]),
  )
}
