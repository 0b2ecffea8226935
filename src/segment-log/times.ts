// Finds segments of a log by the time at which they were appended. Segments are in the order of time, so that a binary search
// reads a few rows, however long the log is. Used by segment-log.ts.
import type { SegmentTables } from './segment-tables.ts'
import type { Slice } from './slices.ts'

interface TimedLog {
  readonly slices: readonly Slice[]
  readonly tables: Pick<SegmentTables, 'firstAfter'>
  readonly head: number
  readonly floor: number
}

/** Returns when the first segment with records after `position` was appended; undefined: there is none. */
export function appendedAfterMs({ head, slices, tables }: TimedLog, position: number): number | undefined {
  const slice = slices.find(({ end }, index) => (slices[index + 1]?.start ?? end ?? head) > position)
  return slice === undefined ? undefined : tables.firstAfter(slice.id, position)?.appendedMs
}

/** Returns the position up to which all segments were appended before `ms`, or the floor. Reads 50 rows at most. */
export function positionBefore({ floor, head, slices, tables }: TimedLog, ms: number): number {
  const index = slices.findIndex(({ newestMs }) => newestMs >= ms)
  const slice = slices[index]
  if (slice === undefined) return head
  let low = Math.max(slice.start, floor)
  let high = slices[index + 1]?.start ?? head
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const row = tables.firstAfter(slice.id, middle)
    if (row === undefined || row.appendedMs >= ms) high = middle
    else low = row.position
  }
  return low
}
