// The changes of rows by the events of one segment, and the segment's headers with what each change replaces, which removals
// need. Called by TableChanges: for new segments, and after a restart for those whose changes had not been written.
import { decodeHeaders, type EncodedEvents, type EventHeader } from '../../../core/delivery/batch-codec.ts'
import { withReplaced } from '../../../core/tables/row-change.ts'
import { keyOf, type SegmentSource } from '../log/seen.ts'
import type { RecentRows } from './recent-rows.ts'
import { GONE, NO_TEXT } from './table-rows.ts'

export interface AppliedSegment extends EncodedEvents {
  readonly source: NonNullable<SegmentSource>
  /** Sequence number of its last event. */
  readonly lastSeq: number
  /** When the log stored it, in milliseconds since the epoch. */
  readonly storedMs: number
}

/** Changes the rows of the tables that `rowsOf` returns. Returns the new headers, or those that were given if none has changed. */
export function applySegment(segment: AppliedSegment, rowsOf: (type: string) => RecentRows | undefined): string {
  const { body, lastSeq, source, storedMs } = segment
  const heads = decodeHeaders(segment.heads)
  const concerned = heads.map(([type, , , , , , row]) => (row === undefined ? undefined : rowsOf(type)))
  if (!load(heads, concerned)) return segment.heads
  const partition = keyOf(source[0], source[1])
  const firstSeq = lastSeq - heads.length + 1
  let hasReplaced = false
  let from = 0
  const after = heads.map((head, index): EventHeader => {
    const [rows, [type, fields, recipients, , length, offset = 0, row]] = [concerned[index], head]
    from += length
    if (rows === undefined || row === undefined) return head
    const [key, removes] = row
    const before = rows.get(key)
    const isGone = removes === 1 || recipients?.length === 0
    const at = { seq: firstSeq + index, partition, generation: source[2], offset, storedMs }
    if (isGone) rows.change(key, { ...GONE, ...at }, NO_TEXT)
    else rows.change(key, { fields, recipients, length, ...at }, body.subarray(from - length, from))
    const change = withReplaced(row, before === undefined || before.length === 0 ? undefined : before, {
      fields,
      recipients,
    })
    if (change.length === 2) return head
    hasReplaced = true
    return [type, fields, recipients, null, length, offset, change]
  })
  return hasReplaced ? JSON.stringify(after) : segment.heads
}

/** Loads the rows that the events change. Returns whether there are any. */
function load(heads: readonly EventHeader[], concerned: readonly (RecentRows | undefined)[]): boolean {
  const keys = new Map<RecentRows, string[]>()
  for (const [index, rows] of concerned.entries()) {
    const [key] = heads[index]?.[6] ?? []
    if (rows === undefined || key === undefined) continue
    const own = keys.get(rows)
    if (own === undefined) keys.set(rows, [key])
    else own.push(key)
  }
  for (const [rows, own] of keys) rows.load(own)
  return keys.size > 0
}
