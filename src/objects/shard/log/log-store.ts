// The log of one shard: events in segments, and for each topic-partition the offset up to which events have been stored.
// Knows nothing of connections. CommittedLog calls it; src/segment-log has the tables.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { AppendBatch, EventHeader } from '../../../core/delivery/batch-codec.ts'
import type { LogRow } from '../../../core/as-of/resolve-as-of.ts'
import type { LogPosition } from '../../../core/events/kafka-record.ts'
import { formatPosition, parsePosition } from '../../../core/identity/position.ts'
import type { SeenRange, SeenRanges } from '../../../core/shard-map/coverage.ts'
import { SegmentLog, type NewSegment } from '../../../segment-log/segment-log.ts'
import type { Retention } from '../../../segment-log/slices.ts'
import type { TableChanges } from '../tables/table-changes.ts'
import type { TableStore } from '../tables/table-store.ts'
import { eraseFrom, type Erased } from './erase-user.ts'
import { findEvent, type FoundEvent } from './find-event.ts'
import { decodeSegment, type LogSegment, type ShardSegments } from './log-segment.ts'
import { migrateLog } from './migrate-log.ts'
import { keyOf, seenAfter, sinceSeqOf, unseenOf, type SegmentSource, type ShardLogState } from './seen.ts'
import { readUncovered, type ShardLogEnd } from './uncovered.ts'

const encoder = new TextEncoder()

/** Whether an event of this type that was stored at `storedMs` is too old to be delivered. */
export type IsExpired = (type: string, storedMs: number) => boolean

export class LogStore {
  readonly #log: ShardSegments
  readonly #isExpired: IsExpired | undefined
  readonly #tables: TableChanges | undefined

  /** `newEpoch` is used if there is no log yet. */
  constructor(
    storage: DurableObjectStorage,
    newEpoch: string,
    retention: Retention,
    isExpired?: IsExpired,
    tables?: TableStore,
  ) {
    this.#tables = tables?.changes
    this.#isExpired = isExpired
    migrateLog(storage)
    this.#log = new SegmentLog(storage, {
      retention,
      initial: (): ShardLogState => ({ epoch: newEpoch, seen: {} }),
      fold: (state, source) => {
        if (source !== null) state.seen[keyOf(source[0], source[1])] = seenAfter(source)
        return state
      },
      beforeDrop: () => this.#tables?.write(),
    })
    this.#tables?.attach(this.#log)
  }

  get epoch(): string {
    return this.#log.state.epoch
  }

  /** Sequence number of the newest event. */
  get head(): number {
    return this.#log.head
  }

  /** Sequence number of the newest event that was dropped: from here on reading has no gap. */
  get floor(): number {
    return this.#log.floor
  }

  get bytes(): number {
    return this.#log.bytes
  }

  /** What has been stored of each topic-partition, up to `head`. */
  get stored(): SeenRanges {
    return this.#log.state.seen
  }

  /** Yields the rows of the log, newest first. Read it within one turn. */
  *rows(): Generator<LogRow> {
    for (const { meta, position } of this.#log.newest()) {
      if (meta === null) yield { position, partition: null, generation: 0, lastOffset: 0 }
      else yield { position, partition: keyOf(meta[0], meta[1]), generation: meta[2], lastOffset: meta[4] }
    }
  }

  /** The position that quiet clients were told last. */
  get toldSeq(): number {
    return this.#log.state.toldSeq ?? 0
  }

  /** Stores it: one row. */
  setToldSeq(toldSeq: number): void {
    this.#log.setState({ ...this.#log.state, toldSeq })
  }

  /** Bytes of the log after `seq`, and at most an eighth of what it keeps more. */
  bytesAfter(seq: number): number {
    return this.#log.bytesAfter(seq)
  }

  position(seq: number): string {
    return formatPosition(this.epoch, seq)
  }

  /** Returns the sequence number to read on from, or undefined if there would be a gap: too old, of another log, or garbage. */
  resumable(lastEventId: string): number | undefined {
    const position = parsePosition(lastEventId)
    if (position?.epoch !== this.epoch || position.seq > this.head || position.seq < this.floor) return undefined
    return position.seq
  }

  /** What is at the end of this log now. */
  get end(): ShardLogEnd {
    return { head: this.head, seen: { ...this.stored } }
  }

  /**
   * Returns the events that a log with `seen` does not have, oldest first. `before`: this log's end before the other log was
   * asked for `seen`. What is in it was stored by all shards that it was for, without the last batch of each topic-partition.
   */
  readUncovered(seen: SeenRanges, before: ShardLogEnd): readonly StoredEvent[] {
    return readUncovered(this.#log, seen, before)
  }

  /** Stores the events that were not seen yet, all or nothing, and returns them. Durable once `storage.sync()` resolves. */
  append(batches: readonly AppendBatch[], nowMs: number): readonly LogSegment[] {
    const segments = this.#unseen(batches)
    const tables = this.#tables
    if (tables?.isActive !== true || segments.length === 0) return this.#write(segments, nowMs)
    return this.#withTables(() => {
      const applied = tables.apply(segments, nowMs)
      if (!tables.isDue) return this.#write(applied, nowMs)
      return this.#log.transact(() => {
        const written = this.#write(applied, nowMs)
        tables.write()
        return written
      })
    })
  }

  /** Stores one of Rigel's own events for one connection. */
  appendOwn(connectionId: string, type: string, json: string, nowMs: number): readonly LogSegment[] {
    const body = encoder.encode(json)
    const head: EventHeader = [type, {}, null, connectionId, body.length]
    const segment = { count: 1, meta: null, heads: JSON.stringify([head]), body }
    return this.#withTables(() => {
      const written = this.#write([segment], nowMs)
      if (this.#tables?.isDue === true) this.#tables.write()
      return written
    })
  }

  /** Makes positions given out before this call differ from those given out after it. Returns the new head. */
  advance(): number {
    return this.#log.advance()
  }

  /** Drops events that are past the retention. */
  trim(nowMs: number): void {
    this.#withTables(() => this.#log.trim(nowMs))
  }

  /** Erases what is stored for a user. Durable once `storage.sync()` resolves. */
  eraseUser(user: string): Erased {
    this.#tables?.eraseUser(user)
    const total = { erased: 0, shared: 0 }
    this.#log.rewrite((segment) => {
      const changed = eraseFrom(segment, user)
      total.erased += changed?.erased ?? 0
      total.shared += changed?.shared ?? 0
      return changed
    })
    return total
  }

  /** Finds events by the time at which they were stored, in milliseconds since the epoch. */
  get times() {
    return this.#log.times
  }

  /** Returns events after `seq`, oldest first, in whole segments: at least one if there is any, then up to about `maxBytes`. */
  read(seq: number, maxBytes: number): readonly StoredEvent[] {
    const events: StoredEvent[] = []
    let bytes = 0
    for (const { appendedMs, position, heads, body, meta } of this.#log.read(seq)) {
      const segment = { lastSeq: position, heads, body, source: JSON.parse(meta) as SegmentSource }
      for (const event of decodeSegment(segment)) if (event.seq > seq) events.push(this.#withExpiry(event, appendedMs))
      bytes += body.byteLength
      if (bytes >= maxBytes) break
    }
    return events
  }

  #withExpiry(event: StoredEvent, storedMs: number): StoredEvent {
    const { replacedBy } = event
    if (replacedBy !== undefined) return { ...event, replacedBy: this.#withExpiry(replacedBy, storedMs) }
    return this.#isExpired?.(event.type, storedMs) === true ? { ...event, isExpired: true } : event
  }

  /** Reads the metadata of the whole log: for an operator's question, not for deliveries. */
  find(at: LogPosition): FoundEvent {
    return findEvent(this.#log, at)
  }

  #unseen(batches: readonly AppendBatch[]): readonly NewSegment<SegmentSource>[] {
    /** What this call has seen: it is added to the state once it is stored. */
    const ahead = new Map<string, SeenRange>()
    const segments: NewSegment<SegmentSource>[] = []
    let head = this.head
    for (const { topic, partition, generation, packs } of batches) {
      const key = keyOf(topic, partition)
      const sinceSeq = sinceSeqOf(packs, generation, ahead.get(key) ?? this.#log.state.seen[key], head)
      for (const pack of packs) {
        const seen = ahead.get(key) ?? this.#log.state.seen[key]
        for (const { count, heads, body, firstOffset, lastOffset } of unseenOf(pack, generation, seen)) {
          const meta = [topic, partition, generation, firstOffset, lastOffset, sinceSeq] as const
          segments.push({ count, meta, heads, body })
          head += count
          ahead.set(key, seenAfter(meta))
        }
      }
    }
    return segments
  }

  /** After a failure tables are as the log is, which has been rolled back. */
  #withTables<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      this.#tables?.recover()
      throw error
    }
  }

  #write(segments: readonly NewSegment<SegmentSource>[], nowMs: number): readonly LogSegment[] {
    const positions = this.#log.append(segments, nowMs)
    return segments.map(({ count, heads, body, meta: source }, index): LogSegment => {
      const lastSeq = positions[index] ?? 0
      return { firstSeq: lastSeq - count + 1, lastSeq, heads, body, source }
    })
  }
}
