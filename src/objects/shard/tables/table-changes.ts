// Keeps the tables of a shard as its log is. The log is their write-ahead log: an event that is in the log is in its table,
// whether its row is written or not, so that an append writes no rows of its own. They are written once for many appends, and
// before retention drops the events. After a restart what was not written is read from the log. Called by LogStore and TableStore.
import type { NewSegment } from '../../../segment-log/segment-log.ts'
import type { StoredSegment } from '../../../segment-log/segment-tables.ts'
import { decodeHeaders, fitsRow, type EncodedEvents } from '../../../core/delivery/batch-codec.ts'
import type { TableRules } from '../../../core/tables/table-rule.ts'
import type { SegmentSource } from '../log/seen.ts'
import { applySegment } from './apply-segment.ts'
import type { KnownTables } from './known-tables.ts'
import type { RecentRows } from './recent-rows.ts'
import type { Table } from './table.ts'

/** Rows are written when so many have changed, or the log has so much since: a restart reads about that much. */
const MAX_CHANGES = 250
const MAX_EVENTS = 1_024
const MAX_BYTES = 524_288

/** Rows of all tables that stay in memory after they were written: about 10,000, unless they are large. */
const MAX_MEMORY_CHARS = 4_194_304

/** The log that has the events of the tables. */
export interface TableLog {
  readonly head: number
  read(position: number): Iterable<StoredSegment>
  transact<T>(work: () => T): T
}

export interface TableChangesDeps {
  readonly rules: TableRules | null
  readonly known: KnownTables
  /** Called when a table has become too large, within a transaction. */
  onTooLarge(type: string): void
  /** Called when a table has to be filled anew, because the log could not store what its changes replace. */
  onReset(type: string): void
}

export class TableChanges {
  readonly #deps: TableChangesDeps
  #log: TableLog | undefined
  /** Bytes of segments since rows were last written. */
  #unwrittenBytes = 0

  constructor(deps: TableChangesDeps) {
    this.#deps = deps
  }

  /** Call it before anything else, once the log can be read. */
  attach(log: TableLog): void {
    this.#log = log
    this.recover()
  }

  /** False: an append has nothing to do here. */
  get isActive(): boolean {
    return this.#deps.known.all.length > 0
  }

  get head(): number {
    return this.#log?.head ?? 0
  }

  /**
   * Changes the rows that these segments change, and returns the segments with what each change replaces. If a row of the log cannot
   * hold that, its segment is as before, and the tables that it changes are filled anew: their clients need no removals. Then append them, in
   * one transaction with `write` if it `isDue`. Call `recover` if that fails.
   */
  apply(segments: readonly NewSegment<SegmentSource>[], nowMs: number): readonly NewSegment<SegmentSource>[] {
    let lastSeq = this.head
    return segments.map((segment) => {
      lastSeq += segment.count
      const heads = this.#applyOne(segment, lastSeq, segment.meta, nowMs)
      if (heads === segment.heads) return segment
      const applied = { ...segment, heads }
      if (fitsRow(applied)) return applied
      for (const type of typesReplaced(heads)) this.#deps.onReset(type)
      return segment
    })
  }

  /** Whether rows should be written in the transaction of this append. */
  get isDue(): boolean {
    const { all, writtenSeq } = this.#deps.known
    if (all.length === 0) return false
    if (this.#unwrittenBytes >= MAX_BYTES || this.head - writtenSeq >= MAX_EVENTS) return true
    const changes = all.reduce((sum, rows) => sum + rows.changes, 0)
    return changes >= MAX_CHANGES || all.some(({ table }) => this.#hasOutgrown(table))
  }

  /** Writes the rows that have changed since they were last written. Call it before the log drops events. */
  write(): void {
    if (this.isActive && this.head > this.#deps.known.writtenSeq) this.transact(() => undefined)
  }

  /** Does `work` on tables whose changes are all written, and writes what it changes, in one transaction. */
  transact(work: () => void): void {
    try {
      this.#log?.transact(() => {
        this.#writeAll()
        work()
        this.#writeAll()
      })
    } catch (error) {
      this.recover()
      throw error
    }
  }

  /** Reads which tables there are, and from the log which changes are not written. */
  recover(): void {
    const { known, rules } = this.#deps
    if (rules === null) return known.forget(this.head)
    known.load(rules, this.head)
    this.#unwrittenBytes = 0
    if (!this.isActive || this.head <= known.writtenSeq) return
    for (const segment of this.#log?.read(known.writtenSeq) ?? [])
      this.#applyOne(segment, segment.position, JSON.parse(segment.meta) as SegmentSource, segment.appendedMs)
  }

  /** Erases rows that are addressed to this user. */
  eraseUser(user: string): void {
    if (!this.isActive) return
    this.transact(() => {
      for (const rows of this.#deps.known.all) rows.eraseUser(user)
    })
  }

  /** Returns the headers of the segment with what each change replaces. */
  #applyOne({ body, heads }: EncodedEvents, lastSeq: number, source: SegmentSource, storedMs: number): string {
    this.#unwrittenBytes += heads.length + body.length
    if (source === null) return heads
    return applySegment({ heads, body, lastSeq, source, storedMs }, (type) => {
      const rows = this.#deps.known.rowsOf(type)
      return rows?.table.status === 'too_large' ? undefined : rows
    })
  }

  #writeAll(): void {
    const { known } = this.#deps
    const { all, writtenSeq } = known
    if (this.head === writtenSeq && all.every(({ changes }) => changes === 0)) return
    for (const rows of all) {
      if (this.#hasOutgrown(rows.table)) this.#giveUp(rows)
      else rows.write(MAX_MEMORY_CHARS / all.length)
    }
    known.saveAll(this.head)
    this.#unwrittenBytes = 0
  }

  #hasOutgrown({ bytes, rows, type }: Table): boolean {
    const rule = this.#deps.rules?.get(type)
    return rule !== undefined && (rows > rule.maxRows || bytes > rule.maxBytes)
  }

  /** The rows are dropped later, because that takes long: see TableStore.dropOutgrown. */
  #giveUp(rows: RecentRows): void {
    const { table } = rows
    rows.clear()
    Object.assign(table, { status: 'too_large', rows: 0, bytes: 0 })
    this.#deps.onTooLarge(table.type)
  }
}

/** The tables in which a change replaces a row that others saw. */
function typesReplaced(heads: string): ReadonlySet<string> {
  return new Set(decodeHeaders(heads).flatMap(([type, , , , , , row]) => ((row?.length ?? 0) > 2 ? [type] : [])))
}
