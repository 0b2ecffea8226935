// Reads the tables that one client gets, in pages, as the events that it is sent: for each table `rig.table.reset`, then its
// rows. The table is read as it was at one place of the log; what changes meanwhile follows from there. Pure.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import { seesRow, type Filter } from '../../../core/subscriptions/filter.ts'
import { tableReset, type EventEnvelope, type SystemEvent } from '../system-events.ts'
import type { TableStore } from './table-store.ts'

interface TableReaderDeps {
  readonly store: Pick<TableStore, 'read'>
  readonly envelope: () => EventEnvelope
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

  /** The type that is read next. */
  get type(): string | undefined {
    return this.types[this.#at]
  }

  begin(untilSeq: number): void {
    this.#untilSeq = untilSeq
  }

  /** Returns the next events, of which there may be none; undefined: everything has been read. */
  next(filter: Filter): readonly StoredEvent[] | undefined {
    const { type } = this
    const seq = this.#untilSeq
    if (type === undefined || seq === undefined) return undefined
    const head = this.#after === null ? [toStored(tableReset(this.#deps.envelope(), type), seq)] : []
    const { events, next } = this.#deps.store.read(type, this.#after ?? '', seq)
    // A row is no history, however old its event is.
    const seen = events.filter((event) => seesRow(filter, { ...event, seq: Number.MAX_SAFE_INTEGER }))
    this.#rows.set(type, (this.#rows.get(type) ?? 0) + seen.length)
    this.#after = next
    if (next === null) this.#at += 1
    return [...head, ...seen]
  }
}

function toStored({ json, type }: SystemEvent, seq: number): StoredEvent {
  return { seq, type, json, fields: {}, recipients: null, connectionId: null }
}
