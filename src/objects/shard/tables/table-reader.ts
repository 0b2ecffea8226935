// Reads the tables that one client gets, in pages, as the events that it is sent: for each table `rig.table.reset`, then its
// rows; at the end, `rig.table.complete` for each. The tables are read as they were at one place of the log; what changes
// meanwhile follows from there. Every transport asks it for the next page when its client has room. Pure.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { seesRow, type Filter } from '../../../core/subscriptions/filter.ts'
import type { TableRules } from '../../../core/tables/table-rule.ts'
import { tableReset, toStored, type EventEnvelope, type SystemEvent } from '../system-events.ts'
import type { TableStore } from './table-store.ts'

/** Events about one table. */
export interface TablePart {
  readonly type: string
  readonly events: readonly StoredEvent[]
}

/** The event by which a client is told that it has been sent a table. */
export interface CompleteTable {
  readonly type: string
  readonly event: SystemEvent
}

interface TableReaderDeps {
  readonly store: Pick<TableStore, 'read'>
  readonly rules: TableRules | null
  readonly envelope: () => EventEnvelope
  /** All rows have been read. Returns the tables that the client has now. */
  readonly finish: (reader: TableReader, untilSeq: number) => readonly CompleteTable[]
}

export class TableReader {
  readonly types: readonly string[]
  /** What decided which rows of these types the client sees, when reading was planned. */
  readonly views: readonly string[]
  readonly #deps: TableReaderDeps
  #untilSeq: number | undefined
  /** Index of the type that is read. */
  #at = 0
  /** Null: the table has not been begun. */
  #after: string | null = null
  readonly #rows = new Map<string, number>()
  #isRead = false

  constructor(types: readonly string[], views: readonly string[], deps: TableReaderDeps) {
    this.types = types
    this.views = views
    this.#deps = deps
  }

  /** The place of the log as of which the tables are read. Undefined: reading has not begun. */
  get untilSeq(): number | undefined {
    return this.#untilSeq
  }

  /** Number of rows that were sent, by type. */
  get rows(): ReadonlyMap<string, number> {
    return this.#rows
  }

  /** The type that is read next; undefined: all rows have been read. */
  get type(): string | undefined {
    return this.types[this.#at]
  }

  /** `next` has returned everything. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** `seq`: the end of the log, as of which the tables are read if reading has not begun. Returns the place that they are read at. */
  begin(seq: number): number {
    this.#untilSeq ??= seq
    return this.#untilSeq
  }

  /** Returns the next events, of which there may be none; the last time, those of every table. */
  next(filter: Filter): readonly TablePart[] {
    const { type } = this
    const seq = this.#untilSeq
    if (seq === undefined || this.#isRead) return []
    if (type === undefined) return this.#end(seq)
    if (filter.tables?.has(type) !== true) return this.#skip()
    const { envelope, rules } = this.#deps
    const head = this.#after === null ? [toStored(tableReset(envelope(), type, rules?.get(type)), seq)] : []
    const { events, next } = this.#deps.store.read(type, this.#after ?? '', seq)
    // A row is no history, however old its event is.
    const seen = events.filter((event) => seesRow(filter, { ...event, seq: Number.MAX_SAFE_INTEGER }))
    this.#rows.set(type, (this.#rows.get(type) ?? 0) + seen.length)
    this.#after = next
    if (next === null) this.#at += 1
    return [{ type, events: [...head, ...seen] }]
  }

  /** The client's subscription has ended meanwhile. */
  #skip(): readonly TablePart[] {
    this.#after = null
    this.#at += 1
    return []
  }

  #end(seq: number): readonly TablePart[] {
    this.#isRead = true
    return this.#deps.finish(this, seq).map(({ event, type }) => ({ type, events: [toStored(event, seq)] }))
  }
}
