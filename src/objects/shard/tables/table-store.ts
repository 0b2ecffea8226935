// The tables of a shard, each the newest event of every key of a type: begins, fills, reads and drops them. TableChanges keeps
// them as the log is, and fill-tables.ts brings what was before.
import type { RowAudience, StoredEvent } from '../../../core/events/stored-event.ts'
import type { TableRules } from '../../../core/tables/table-rule.ts'
import { KnownTables } from './known-tables.ts'
import type { TableStatus } from './table.ts'
import { TableChanges } from './table-changes.ts'
import { BEFORE_LOG } from './table-rows.ts'

/** A row from before the shard wanted the type. */
export interface FilledRow extends RowAudience {
  readonly key: string
  readonly offset: number
  /** Its event as JSON, in UTF-8. Empty: the row was removed, or nobody of this shard sees it. */
  readonly text: Uint8Array
}

export interface TableStoreDeps {
  readonly rules: TableRules | null
  /** See Config. Absent: it does not change. */
  readonly basis?: ReadonlyMap<string, string>
  readonly newId: () => string
  readonly isExpired?: ((type: string, storedMs: number) => boolean) | undefined
  /** Called when a table has become too large, within the append's transaction. */
  onTooLarge(type: string): void
  /** Called when a table has to be filled anew, before the append that makes it so. */
  onReset(type: string): void
}

export class TableStore {
  /** Attach the log to it before anything else. */
  readonly changes: TableChanges
  readonly #deps: TableStoreDeps
  readonly #known: KnownTables

  constructor(sql: SqlStorage, deps: TableStoreDeps) {
    this.#deps = deps
    this.#known = new KnownTables(sql, deps.basis)
    const onTooLarge = (type: string) => deps.onTooLarge(type)
    const onReset = (type: string) => deps.onReset(type)
    this.changes = new TableChanges({ rules: deps.rules, known: this.#known, onTooLarge, onReset })
  }

  get types(): readonly string[] {
    return this.#known.types
  }

  statusOf(type: string): TableStatus | undefined {
    return this.#known.get(type)?.status
  }

  mapVersionOf(type: string): number | undefined {
    return this.#known.get(type)?.mapVersion
  }

  sizeOf(type: string): { readonly rows: number; readonly bytes: number } {
    const { bytes, rows } = this.#known.get(type) ?? { bytes: 0, rows: 0 }
    return { bytes, rows }
  }

  /** Returns whether the log has every change and removal of these types after `seq`. */
  coversSince(types: readonly string[], seq: number): boolean {
    return types.every((type) => {
      const table = this.#known.get(type)
      return table?.status === 'complete' && table.sinceSeq <= seq
    })
  }

  /** Begins a table. It is complete when it has been filled. */
  create(type: string, mapVersion: number): void {
    this.drop(type)
    this.changes.write()
    const { basis, newId } = this.#deps
    this.#known.add(type, mapVersion, `${basis?.get(type) ?? ''} ${newId()}`.trimStart(), this.changes.head)
  }

  drop(type: string): void {
    this.#known.drop(type)
  }

  /** See Table. */
  unwantedMsOf(type: string): number | null {
    return this.#known.get(type)?.unwantedMs ?? null
  }

  setUnwanted(type: string, unwantedMs: number | null): void {
    this.#known.setUnwanted(type, unwantedMs)
  }

  /** See Table. */
  fillIdOf(type: string): string | undefined {
    return this.#known.get(type)?.fillId
  }

  isFilled(type: string, partition: string): boolean {
    return this.#known.get(type)?.filled.has(partition) === true
  }

  /** Everything from before that is in the partition has been filled in. */
  filled(type: string, partition: string): void {
    this.changes.transact(() => {
      const table = this.#known.get(type)
      table?.filled.add(partition)
      if (table !== undefined) this.#known.save(table)
    })
  }

  /** Adds rows from before. A row that is there is newer, unless it is of another partition from before, or of an earlier offset. */
  fill(type: string, partition: string, rows: readonly FilledRow[], seq: number): void {
    if (this.statusOf(type) !== 'filling') return
    this.changes.transact(() => {
      const stored = this.#known.rowsOf(type)
      stored?.load(rows.map(({ key }) => key))
      for (const { fields, key, offset, recipients, text } of rows) {
        const known = stored?.get(key)
        const isNewer = known?.partition === partition && known.offset >= offset
        if (known !== undefined && (known.generation !== BEFORE_LOG || isNewer)) continue
        const at = { seq, partition, generation: BEFORE_LOG, offset, storedMs: 0 }
        stored?.change(key, { fields, recipients, length: text.length, ...at }, text)
      }
    })
  }

  /** Everything from before has been filled in. `seq`: the head of the log. */
  complete(type: string, seq: number): void {
    this.changes.transact(() => {
      const rows = this.#known.rowsOf(type)
      if (rows?.table.status !== 'filling') return
      rows.deleteRemoved()
      Object.assign(rows.table, { status: 'complete', sinceSeq: seq })
      this.#known.save(rows.table)
    })
  }

  /** Returns rows behind the key `after`, in the order of keys, as of a place of the log; and where to read on. */
  read(
    type: string,
    after: string,
    untilSeq: number,
  ): { readonly events: readonly StoredEvent[]; readonly next: string | null } {
    const rows = this.#known.rowsOf(type)
    if (rows === undefined || rows.table.status === 'too_large') return { events: [], next: null }
    if (rows.changes > 0) this.changes.write()
    const { events, next } = rows.page(after)
    const isExpired = (storedMs: number) => storedMs > 0 && this.#deps.isExpired?.(type, storedMs) === true
    const there = events.filter(({ json, seq, storedMs }) => json !== '' && seq <= untilSeq && !isExpired(storedMs))
    return { events: there, next }
  }

  /** Drops the rows of tables that are too large. That takes long, so that appends only mark them. */
  dropOutgrown(): void {
    for (const rows of this.#known.all) if (rows.table.status === 'too_large') rows.drop()
  }
}
