// Gaps between the sequences of fetched messages. Most are messages of other subjects; where the stream no longer has a
// sequence of the gap, messages may have been removed (a purge, retention) before they could be read. Pure.
import type { LogRecord } from '../../core/events/kafka-record.ts'

/** Records from `at` on, or, with `records: null`, sequences from `at` to before `end` that may be lost. */
export interface Piece {
  readonly at: number
  /** The offset after the piece. */
  readonly end: number
  readonly records: readonly LogRecord[] | null
}

/** Returns whether a sequence is missing, from `from` to the last record. */
export function hasGap(from: number, records: readonly LogRecord[]): boolean {
  return (records.at(-1)?.offset ?? from - 1) - from + 1 !== records.length
}

/** Splits records, the first of which may be at `from`, where sequences are missing that the stream no longer has. */
export function splitAtLost(from: number, records: readonly LogRecord[], earliest: number): readonly Piece[] {
  const pieces: Piece[] = []
  let some: LogRecord[] = []
  let at = from
  let next = from
  for (const record of records) {
    if (record.offset > next && earliest > next) {
      if (some.length > 0) pieces.push({ at, end: next, records: some })
      const end = Math.min(record.offset, earliest)
      pieces.push({ at: next, end, records: null })
      at = end
      some = []
    }
    some.push(record)
    next = record.offset + 1
  }
  return some.length === 0 ? pieces : [...pieces, { at, end: next, records: some }]
}
