// The dead letters of one batch, and how they are counted, stored and logged. The planners collect them; the consume loop
// counts them with the checkpoint and logs them. Pure, except for the SQL of DeadLetterStore.
import type { LogRecord, NewRecord } from '../core/events/kafka-record.ts'
import { keepShape } from '../core/kept-shapes.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-error.ts'
import { deadLetter } from '../publishing/dead-letter.ts'
import type { DeadLetterInfo, DeadLetterStatus } from '../rpc/follower.ts'

/** The dead letters of one reason: how many, and the last one as an example. */
interface ReasonSummary {
  readonly count: number
  readonly last: DeadLetterInfo
}

/** The dead letters of one batch by reason code, and the last of all. */
export interface DeadLetterSummary {
  readonly count: number
  readonly byReason: ReadonlyMap<DecodeError['kind'], ReasonSummary>
  /** Null if there are none. */
  readonly last: DeadLetterInfo | null
}

export const NO_DEAD_LETTERS: DeadLetterSummary = { count: 0, byReason: new Map(), last: null }

/** Collects the dead letters of one batch. */
export class DeadLetterBatch {
  readonly #topic: string
  readonly #byReason = new Map<DecodeError['kind'], ReasonSummary>()
  readonly #letters: NewRecord[] = []
  #last: DeadLetterInfo | null = null

  /** `topic` is the dead-letter topic. */
  constructor(topic: string) {
    this.#topic = topic
  }

  /** The records to produce, in order. */
  get letters(): readonly NewRecord[] {
    return this.#letters
  }

  get summary(): DeadLetterSummary {
    return { count: this.#letters.length, byReason: this.#byReason, last: this.#last }
  }

  /** `rule` names the entry of TOPICS that applied to the record; null if none did. */
  add(record: LogRecord, error: DecodeError, rule: string | null): void {
    this.#letters.push(deadLetter(this.#topic, record, error, rule))
    const reason = describeDecodeError(error).slice(0, MAX_REASON_CHARS)
    const last = { code: error.kind, reason, rule, offset: record.offset, timestampMs: record.timestampMs }
    this.#byReason.set(error.kind, { count: (this.#byReason.get(error.kind)?.count ?? 0) + 1, last })
    this.#last = last
  }
}

keepShape(new DeadLetterBatch(''))

const MAX_REASON_CHARS = 500

/** Stores counts and the last dead letter of a follower: SQL of `dead_letter_reasons` and `last_dead_letter`. */
export class DeadLetterStore {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS dead_letter_reasons (code TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS last_dead_letter (id INTEGER PRIMARY KEY, info TEXT NOT NULL);
    `)
  }

  read(): DeadLetterStatus {
    const rows = this.#sql
      .exec<{ code: string; count: number }>('SELECT code, count FROM dead_letter_reasons')
      .toArray()
    const last = this.#sql.exec<{ info: string }>('SELECT info FROM last_dead_letter').toArray()[0]
    return {
      byReason: Object.fromEntries(rows.map(({ code, count }) => [code, count])),
      last: last === undefined ? null : (JSON.parse(last.info) as DeadLetterInfo),
    }
  }

  /** Writes nothing if there are no dead letters. Call it in the same turn as the checkpoint, so that both are stored or none. */
  add({ byReason, last }: DeadLetterSummary): void {
    if (last === null) return
    for (const [code, { count }] of byReason) {
      const upsert = 'ON CONFLICT (code) DO UPDATE SET count = count + excluded.count'
      this.#sql.exec(`INSERT INTO dead_letter_reasons VALUES (?, ?) ${upsert}`, code, count)
    }
    this.#sql.exec('INSERT OR REPLACE INTO last_dead_letter VALUES (0, ?)', JSON.stringify(last))
  }
}

const LOG_INTERVAL_MS = 60_000

/** Writes one log line per reason and minute: a topic of plain JSON would otherwise write one per record, or none. */
export class DeadLetterLog {
  readonly #warn: (message: string, details: Record<string, unknown>) => void
  /** Reason code → when it may be logged again, and how many came since the last line. */
  readonly #reasons = new Map<string, { nextMs: number; count: number }>()

  constructor(warn: (message: string, details: Record<string, unknown>) => void) {
    this.#warn = warn
  }

  report({ byReason }: DeadLetterSummary, nowMs: number): void {
    for (const [code, { count, last }] of byReason) {
      const known = this.#reasons.get(code) ?? { nextMs: 0, count: 0 }
      this.#reasons.set(code, known)
      known.count += count
      if (nowMs < known.nextMs) continue
      const { offset, reason, rule } = last
      this.#warn('records went to the dead-letter topic', { code, count: known.count, offset, reason, rule })
      known.nextMs = nowMs + LOG_INTERVAL_MS
      known.count = 0
    }
  }
}
