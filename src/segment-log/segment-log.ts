// A log in the SQLite of one Durable Object: records in segments, a row each, with retention by time and bytes. The shard's
// log and a partition of the embedded log are built on it. It knows nothing of the content of records or of readers.
//
// An append writes one row. The head, and the caller's state (what a shard has seen, how far a partition was followed), are
// columns of that row; the snapshot row repeats them when segments are dropped, when only the head moves, and after every
// SNAPSHOT_EVERY rows, so that start-up reads the snapshot and at most that many rows. Retention drops whole tables (slices):
// a deleted row is billed as a written one, a dropped table is not.
import { foldSlice, opensSlice, planRetention, type Retention, type Slice } from './slices.ts'
import { appendedAfterMs, positionBefore } from './times.ts'
import { SegmentTables, type SegmentRow, type StoredSegment } from './segment-tables.ts'

/** Rows after which the snapshot is written again: what start-up reads at most, and 1/128 of a row an append. */
const SNAPSHOT_EVERY = 128

export interface NewSegment<Meta> {
  /** Records in it; the head moves by as many. */
  readonly count: number
  readonly meta: Meta
  /** One text for all records, as JSON. */
  readonly heads: string
  readonly body: Uint8Array
}

export interface SegmentLogOptions<Meta, State> {
  readonly retention: Retention
  /** Returns the state of a log that is new. State is stored as JSON. */
  initial(): State
  /** Returns the state after a segment with this `meta`; may change `state` itself. Called for every segment, in order. */
  fold(state: State, meta: Meta): State
  /** Called before retention drops segments, in the transaction that does. All of them can be read still. */
  beforeDrop?(): void
}

export class SegmentLog<Meta, State> {
  readonly #storage: DurableObjectStorage
  readonly #tables: SegmentTables
  readonly #options: SegmentLogOptions<Meta, State>
  #head = 0
  #floor = 0
  #slices: readonly Slice[] = []
  #state: State
  /** Rows since the snapshot was written. */
  #rows = 0

  constructor(storage: DurableObjectStorage, options: SegmentLogOptions<Meta, State>) {
    this.#storage = storage
    this.#tables = new SegmentTables(storage.sql)
    this.#options = options
    this.#state = options.initial()
    if (!this.#load()) this.#writeSnapshot()
  }

  /** Position after the newest record: the number of records, and other advances, since the log began. */
  get head(): number {
    return this.#head
  }

  /** Position of the oldest record that is still there. Reading from an older position would have a gap. */
  get floor(): number {
    return this.#floor
  }

  get state(): State {
    return this.#state
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#slices.reduce((sum, slice) => sum + slice.bytes, 0)
  }

  /** Bytes of the segments after `position`, and of those before them in the same slice. */
  bytesAfter(position: number): number {
    return this.#slices.reduce((sum, { bytes, end = Infinity }) => (end > position ? sum + bytes : sum), 0)
  }

  /**
   * Runs `work`, which may append, in one transaction: if it throws, nothing of it is stored and memory is as before.
   * Durable once `storage.sync()` resolves, or when the output gate opens.
   */
  transact<T>(work: () => T): T {
    try {
      return this.#storage.transactionSync(work)
    } catch (error) {
      this.#load()
      throw error
    }
  }

  /** Appends segments, in order, and applies retention, in one transaction. Returns the position after each segment. */
  append(segments: readonly NewSegment<Meta>[], nowMs: number): readonly number[] {
    if (segments.length === 0) return []
    const [only] = segments
    // One statement is a transaction of its own: a savepoint around it would only cost time.
    if (only !== undefined && segments.length === 1 && this.#takesOneRow(only, nowMs))
      return [this.#insert(only, nowMs)]
    return this.transact(() => {
      const isRolled = this.#rollSlice(nowMs)
      const positions = segments.map((segment) => this.#insert(segment, nowMs))
      const isTrimmed = this.#dropExpired(nowMs)
      if (isRolled || isTrimmed || this.#rows >= SNAPSHOT_EVERY) this.#writeSnapshot()
      return positions
    })
  }

  /** Moves the head without a record. Returns the new head. */
  advance(): number {
    this.#head += 1
    this.#writeSnapshot()
    return this.#head
  }

  /** Replaces the state and stores it: one row. */
  setState(state: State): void {
    this.#state = state
    this.#writeSnapshot()
  }

  /** Drops segments that retention no longer keeps. Returns whether there were any. */
  trim(nowMs: number): boolean {
    if (planRetention(this.#slices, this.#options.retention, this.bytes, nowMs) === 0) return false
    return this.transact(() => {
      this.#dropExpired(nowMs)
      this.#writeSnapshot()
      return true
    })
  }

  /**
   * Replaces records of segments, in one transaction: `change` returns a segment's new heads and body, with as many records as
   * before, or undefined to leave it. Positions stay. Reads the whole log: for an operator's command.
   */
  rewrite(change: (segment: StoredSegment) => Pick<StoredSegment, 'heads' | 'body'> | undefined): void {
    this.transact(() => {
      this.#slices = this.#slices.map((slice, index) => {
        let bytes = slice.bytes
        const end = this.#slices[index + 1]?.start ?? this.#head
        for (const segment of end > slice.start ? this.#tables.read(slice.id, slice.start) : []) {
          const changed = change(segment)
          if (changed === undefined) continue
          this.#tables.update(slice.id, segment.position, changed.heads, changed.body)
          bytes += changed.heads.length + changed.body.length - segment.bytes
        }
        return { ...slice, bytes }
      })
      this.#writeSnapshot()
    })
  }

  /** Yields segments with records after `position`, oldest first. Reads lazily, and leaves no cursor open in between. */
  *read(position: number): Generator<StoredSegment> {
    for (const [index, slice] of this.#slices.entries()) {
      const end = this.#slices[index + 1]?.start ?? this.#head
      if (end > position) yield* this.#tables.read(slice.id, position)
    }
  }

  /** Yields every segment without its records, oldest first. */
  *entries(): Generator<{ readonly position: number; readonly appendedMs: number; readonly meta: Meta }> {
    for (const { id } of this.#slices) {
      for (const { appendedMs, meta, position } of this.#tables.readMeta(id, 0))
        yield { position, appendedMs, meta: JSON.parse(meta) as Meta }
    }
  }

  /** See times.ts. */
  get times() {
    const log = { slices: this.#slices, tables: this.#tables, head: this.#head, floor: this.#floor }
    return {
      appendedAfterMs: (position: number) => appendedAfterMs(log, position),
      positionBefore: (ms: number) => positionBefore(log, ms),
    }
  }

  /** Yields segments without their records, newest first. Reads lazily, and leaves no cursor open in between. */
  *newest(): Generator<{ readonly position: number; readonly meta: Meta }> {
    for (const { id } of this.#slices.toReversed()) {
      for (const { meta, position } of this.#tables.readMetaBackwards(id))
        yield { position, meta: JSON.parse(meta) as Meta }
    }
  }

  /** Returns whether an append at this time writes one row and nothing else. */
  #takesOneRow({ heads, body }: NewSegment<Meta>, nowMs: number): boolean {
    const { retention } = this.#options
    const bytes = this.bytes + heads.length + body.length
    if (this.#rows + 1 >= SNAPSHOT_EVERY || opensSlice(this.#slices, retention, nowMs)) return false
    return bytes <= retention.retentionBytes && planRetention(this.#slices, retention, bytes, nowMs) === 0
  }

  /** Begins a new slice if it is time. Returns whether it did. */
  #rollSlice(nowMs: number): boolean {
    if (!opensSlice(this.#slices, this.#options.retention, nowMs)) return false
    const id = (this.#slices.at(-1)?.id ?? 0) + 1
    this.#tables.create(id)
    this.#slices = [...this.#slices, { id, start: this.#head, sinceMs: nowMs, newestMs: nowMs, bytes: 0 }]
    return true
  }

  #insert({ count, meta, heads, body }: NewSegment<Meta>, nowMs: number): number {
    const slice = this.#slices.at(-1)
    if (slice === undefined) throw new Error('no slice is open')
    const bytes = heads.length + body.length
    const position = this.#head + count
    this.#tables.insert(slice.id, { position, appendedMs: nowMs, bytes, meta: JSON.stringify(meta) }, heads, body)
    this.#apply(slice, { position, appendedMs: nowMs, bytes }, meta)
    return position
  }

  #apply(slice: Slice, row: Omit<SegmentRow, 'meta'>, meta: Meta): void {
    this.#head = row.position
    this.#rows += 1
    this.#slices = this.#slices.with(this.#slices.length - 1, foldSlice(slice, row))
    this.#state = this.#options.fold(this.#state, meta)
  }

  /** Drops the slices that retention no longer keeps. Returns whether there were any. */
  #dropExpired(nowMs: number): boolean {
    const count = planRetention(this.#slices, this.#options.retention, this.bytes, nowMs)
    const dropped = this.#slices.slice(0, count)
    if (count > 0) this.#options.beforeDrop?.()
    for (const { id } of dropped) this.#tables.drop(id)
    this.#slices = this.#slices.slice(count)
    // Behind the newest record that was dropped, not at the head: an advance is no record that a reader could miss.
    if (count > 0) this.#floor = dropped.at(-1)?.end ?? this.#slices[0]?.start ?? this.#head
    return count > 0
  }

  #writeSnapshot(): void {
    const state = JSON.stringify(this.#state)
    this.#tables.writeSnapshot({ head: this.#head, floor: this.#floor, slices: this.#slices, state })
    this.#rows = 0
  }

  /** Reads the snapshot, and the rows after it, all of which are in the newest slice. Returns false if there is no log yet. */
  #load(): boolean {
    const stored = this.#tables.readSnapshot()
    if (stored === undefined) return false
    this.#head = stored.head
    this.#floor = stored.floor
    this.#slices = stored.slices
    this.#state = stored.state === undefined ? this.#options.initial() : (JSON.parse(stored.state) as State)
    this.#rows = 0
    const newest = stored.slices.at(-1)
    if (newest === undefined) return true
    for (const { meta, ...row } of this.#tables.readMeta(newest.id, stored.head)) {
      this.#apply(this.#slices.at(-1) ?? newest, row, JSON.parse(meta) as Meta)
    }
    return true
  }
}
