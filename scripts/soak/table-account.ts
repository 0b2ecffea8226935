// What one client of the soak shows of a table, by the table of the client library, and what it may be told of.
import { passes, sees, type RowView, type Rows, type RowType } from '../sim/rows.ts'
import { tableOfEvents, type TableEvent, type TableOfEvents } from '../table-of-events.ts'
import type { Receiver, SoakEvent } from './receiver.ts'

export class TableAccount implements Receiver {
  readonly name: string
  readonly user: string
  readonly types: readonly string[]
  readonly hasState = true
  readonly #rows: Rows
  readonly #type: RowType
  readonly #view: RowView
  readonly #live: TableOfEvents
  /** It has been as it has to be since rows have stood still. */
  #hasConverged = false
  /** `count` when it was asked last, and when its rows were last compared. */
  #askedAt = -1
  #comparedAt = -1
  /** Events and removals that are not for it. */
  readonly leaked: string[] = []
  count = 0

  constructor(rows: Rows, name: string, type: RowType, view: RowView) {
    this.#rows = rows
    this.name = name
    this.user = view.user
    this.types = [type]
    this.#type = type
    this.#view = view
    this.#live = tableOfEvents(type)
  }

  take(event: SoakEvent & TableEvent): void {
    this.count += 1
    if (event.type === this.#type && !this.#mayGet(event.id)) this.leaked.push(event.id)
    if (event.type === 'rig.table.removed' && !this.#mayBeTold(event.data?.key ?? '')) this.leaked.push(event.id)
    this.#live.dispatch(event)
  }

  /** Rows begin to stand still. */
  begin(): void {
    this.#hasConverged = false
    this.#comparedAt = -1
  }

  hasConverged(): boolean {
    if (this.#hasConverged || this.#live.table.state !== 'current') return this.#hasConverged
    // Comparing takes 0.1 s for 100,000 keys, which the clients need too: only when nothing comes any more.
    const isQuiet = this.#askedAt === this.count
    this.#askedAt = this.count
    if (!isQuiet || this.#comparedAt === this.count) return false
    this.#comparedAt = this.count
    this.#hasConverged = this.wrong().length === 0
    return this.#hasConverged
  }

  /** The same, compared now. */
  isRight(): boolean {
    return this.#hasConverged || (this.#live.table.state === 'current' && this.wrong().length === 0)
  }

  /** Keys of rows that it has and must not have, does not have, or has as they were. */
  wrong(): readonly string[] {
    const wanted = this.#rows.tableOf(this.#type, this.#view)
    const { rows } = this.#live.table
    const keys = new Set([...wanted.keys(), ...rows.keys()])
    return [...keys].filter((key) => wanted.get(key) !== rows.get(key)?.id)
  }

  #mayGet(id: string): boolean {
    const version = this.#rows.find(id)
    return version !== undefined && passes(this.#view, version)
  }

  #mayBeTold(key: string): boolean {
    return this.#rows.versionsOf(key).some((version) => sees(this.#view, version))
  }
}
