// Finds gaps between the sequences of fetched messages. Most gaps are messages of other subjects. If the stream no
// longer has a sequence of the gap, messages may have been removed (by a purge or retention) before they were read.
// Pure.
import type { LogRecord } from '../../core/events/kafka-record.ts'

/** Records from `at` up to `end`, or sequences in this range that may be lost (`records: null`). */
export interface Piece {
  readonly at: number
  /** Exclusive. */
  readonly end: number
  readonly records: readonly LogRecord[] | null
}

/** Returns whether a sequence between `from` and the last record is missing. */
export function hasGap(from: number, records: readonly LogRecord[]): boolean {
  return (records.at(-1)?.offset ?? from - 1) - from + 1 !== records.length
}

/**
 * Splits records, of which the first may be at `from`, at sequences that are missing and that the stream no longer
 * has.
 */
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
