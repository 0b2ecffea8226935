// The idempotency keys of the records that this object has produced, with their places: SQL for `produced_keys`. The
// keys are read into memory at the first look-up. Keys older than the window are deleted; later repetitions are
// produced again.
import type { ProducedRecord } from '../../core/events/kafka-record.ts'

interface KeyWindow {
  readonly windowMs: number
  /** Largest number of keys: each takes about 150 bytes of memory while the object is awake. */
  readonly maxKeys: number
}

/** Limit of rows that one query reads. */
const ROWS_AT_ONCE = 64

interface ProducedKeysRow extends Record<string, SqlStorageValue> {
  id: number
  produced_ms: number
  places: string
}

/** A row's keys: as a list, because the names of an object would be stored for each. */
type ProducedPlace = readonly [key: string, topic: string, partition: number, offset: number, timestampMs: number]

export class ProducedKeys {
  readonly #sql: SqlStorage
  readonly #window: KeyWindow
  /** Oldest first, as in the table. Null until a key is asked for. */
  #known: Map<string, ProducedRecord> | null = null

  constructor(sql: SqlStorage, window: KeyWindow) {
    this.#sql = sql
    this.#window = window
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS produced_keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT, produced_ms INTEGER NOT NULL, places TEXT NOT NULL
      )
    `)
  }

  placeOf(key: string): ProducedRecord | undefined {
    return this.#keys().get(key)
  }

  /** Stores the keys of one call in one row: a row for each would be billed. */
  remember(produced: ReadonlyMap<string, ProducedRecord>, nowMs: number): void {
    const places = [...produced].map(([key, place]): ProducedPlace => {
      return [key, place.topic, place.partition, place.offset, place.timestampMs]
    })
    this.#sql.exec('INSERT INTO produced_keys (produced_ms, places) VALUES (?, ?)', nowMs, JSON.stringify(places))
    const known = this.#keys()
    for (const [key, place] of produced) known.set(key, place)
    this.#forgetWhile((row) => row.produced_ms < nowMs - this.#window.windowMs || known.size > this.#window.maxKeys)
  }

  #keys(): Map<string, ProducedRecord> {
    if (this.#known !== null) return this.#known
    const known = new Map<string, ProducedRecord>()
    for (let from = 0; ;) {
      const rows = this.#rowsAfter(from)
      for (const [key, topic, partition, offset, timestampMs] of rows.flatMap(placesOf)) {
        known.set(key, { topic, partition, offset, timestampMs })
      }
      const last = rows.at(-1)
      if (last === undefined) break
      from = last.id
    }
    this.#known = known
    return known
  }

  /** Read to its end: a cursor that is left open holds the write-ahead log. */
  #rowsAfter(id: number): readonly ProducedKeysRow[] {
    const query = `SELECT id, produced_ms, places FROM produced_keys WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`
    return this.#sql.exec<ProducedKeysRow>(query, id).toArray()
  }

  /** Oldest first, while they are due; at most as many as one query reads, so that a call costs little. */
  #forgetWhile(isDue: (row: ProducedKeysRow) => boolean): void {
    let forgotten: number | undefined
    for (const row of this.#rowsAfter(0)) {
      if (!isDue(row)) break
      for (const [key] of placesOf(row)) this.#keys().delete(key)
      forgotten = row.id
    }
    if (forgotten !== undefined) this.#sql.exec('DELETE FROM produced_keys WHERE id <= ?', forgotten)
  }
}

function placesOf({ places }: ProducedKeysRow): readonly ProducedPlace[] {
  return JSON.parse(places) as readonly ProducedPlace[]
}
