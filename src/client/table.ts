// The current value of each key of an event type, as a Map that is always current: `import { table } from '/_rig/client-table.js'`.
// The connection subscribes to the type with `state: true`; docs/state.md says what the server sends.
import { Rows } from './rows.ts'
import type { CloudEvent, EventTypes, FilterTypes, ReceivedEvent, Rigel } from './types.ts'

/**
 * `loading`: the table has not come yet, or comes again; `rows` is as it was. `current`: `rows` has every change so far. `failed`:
 * the server has no table of the type, and `rows` stays as it was; or the subscription has ended, and `rows` is empty.
 */
type TableState = 'loading' | 'current' | 'failed'

/** A table. Rows are the newest events of the keys. */
export interface LiveTable<T = unknown> {
  /** Another object after each change. It stays what it was, so that it can be compared with the one before. */
  readonly rows: ReadonlyMap<string, ReceivedEvent<T>>
  readonly state: TableState
  /** Calls `listener` after each change. Returns a function that removes it. */
  onChange(listener: () => void): () => void
  /** Stops following the type. The subscription remains. */
  close(): void
}

type TableEvent = CloudEvent<{ readonly type?: string; readonly key?: string; readonly key_attribute?: string }>

/**
 * Follows a type to which the connection subscribes with `state: true`. Call it right after `connect`, before events come. A
 * connection that tabs share has no tables: a tab that joins later gets changes only.
 */
export function table<Events extends EventTypes, Filters extends FilterTypes, Type extends keyof Events & string>(
  rigel: Pick<Rigel<Events, Filters>, 'on'>,
  type: Type,
): LiveTable<Events[Type]> {
  return new Table<Events[Type]>(rigel, type)
}

class Table<T> implements LiveTable<T> {
  state: TableState = 'loading'
  rows = new Rows<ReceivedEvent<T>>()
  readonly #type: string
  readonly #listeners = new Set<() => void>()
  readonly #stop: readonly (() => void)[]
  /** The attribute of an event that is its key. Null: it is not known yet, or the server is older. */
  #keyAttribute: string | null = null
  /** The rows of a table that is being sent; null: none is. */
  #coming: Map<string, ReceivedEvent<T>> | null = null

  constructor(rigel: Pick<Rigel, 'on'>, type: string) {
    this.#type = type
    this.#stop = [
      rigel.on(type, (event) => this.#changed(event as ReceivedEvent<T>)),
      rigel.on('rig.table.*', (event) => this.#told(event as TableEvent)),
    ]
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  close(): void {
    for (const stop of this.#stop) stop()
    this.#listeners.clear()
  }

  #changed(event: ReceivedEvent<T>): void {
    const key = this.#keyAttribute === null ? (event['partitionkey'] ?? event.subject) : event[this.#keyAttribute]
    if (!isRowKey(key)) return
    const isGone = (event.data ?? event['data_base64'] ?? null) === null
    this.#write(key, isGone ? undefined : event)
  }

  #told({ data, type }: TableEvent): void {
    if (data?.type !== this.#type) return
    if (type === 'rig.table.removed') return this.#write(data.key ?? '', undefined)
    if (type === 'rig.table.reset') {
      this.#coming = new Map()
      this.#keyAttribute = data.key_attribute ?? null
    }
    if (type === 'rig.table.complete' || type === 'rig.table.failed') {
      if (this.#coming !== null) this.rows = new Rows(this.#coming)
      this.#coming = null
    }
    this.state = STATES[type] ?? this.state
    this.#notify()
  }

  /** While a table comes, what is shown stays as it was; without a table, too: nobody tells which rows are gone, so they would only grow. */
  #write(key: string, event: ReceivedEvent<T> | undefined): void {
    if (this.#coming === null) {
      if (this.state === 'failed') return
      const { rows } = this
      this.rows = rows.with(key, event)
      if (this.rows !== rows) this.#notify()
    } else if (event === undefined) this.#coming.delete(key)
    else this.#coming.set(key, event)
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Longer than this, or with half of a surrogate pair in it, a key has no row at the server: nobody would be told that it is gone. */
const MAX_KEY_CHARS = 1_024

function isRowKey(key: unknown): key is string {
  return typeof key === 'string' && key !== '' && key.length <= MAX_KEY_CHARS && !/\p{Surrogate}/u.test(key)
}

const STATES: Readonly<Record<string, TableState>> = {
  'rig.table.reset': 'loading',
  'rig.table.complete': 'current',
  'rig.table.failed': 'failed',
}
