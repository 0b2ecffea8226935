// Retention of a segment log. Pure. Segments are kept in slices, a table each; retention drops whole slices, as Kafka drops
// whole segment files: a record lives for the retention time, and for at most an eighth of it longer.

export interface Retention {
  /** Milliseconds that a record is kept at least, unless `retentionBytes` is reached first. */
  readonly retentionMs: number
  /** Bytes of segments that are kept at most, besides the slice that is being written. */
  readonly retentionBytes: number
}

export interface Slice {
  /** Part of its table's name. */
  readonly id: number
  /** Position of its first record. */
  readonly start: number
  /** Position after its newest record. Absent in slices of versions before. */
  readonly end?: number
  /** When it was begun, and when its newest segment was appended: milliseconds since the epoch. */
  readonly sinceMs: number
  readonly newestMs: number
  readonly bytes: number
}

/** A slice is an eighth of what is kept, by time and by bytes. */
const SLICES = 8

/** A new table costs three rows: no slice is begun sooner than this after the last, unless it is full. */
const MIN_SLICE_MS = 1_000

/** Returns whether the next segment begins a new slice. */
export function opensSlice(
  slices: readonly Slice[],
  { retentionMs, retentionBytes }: Retention,
  nowMs: number,
): boolean {
  const open = slices.at(-1)
  if (open === undefined) return true
  if (open.bytes === 0) return false
  const sliceMs = Math.max(MIN_SLICE_MS, retentionMs / SLICES)
  return nowMs - open.sinceMs >= sliceMs || open.bytes >= retentionBytes / SLICES
}

/**
 * Returns how many of the oldest slices retention drops. A slice is dropped when its newest segment is older than the
 * retention time, or when there are too many bytes. The byte limit never drops the newest slice, so that an appended record
 * can always be read.
 */
export function planRetention(
  slices: readonly Slice[],
  { retentionMs, retentionBytes }: Retention,
  bytes: number,
  nowMs: number,
): number {
  let left = bytes
  let count = 0
  for (const slice of slices) {
    const isExpired = slice.newestMs < nowMs - retentionMs
    const isTooMuch = left > retentionBytes && count < slices.length - 1
    if (!isExpired && !isTooMuch) break
    left -= slice.bytes
    count += 1
  }
  return count
}

/** Returns the slice after a segment was appended to it. */
export function foldSlice(
  slice: Slice,
  segment: { readonly position: number; readonly appendedMs: number; readonly bytes: number },
): Slice {
  return {
    ...slice,
    end: segment.position,
    newestMs: Math.max(slice.newestMs, segment.appendedMs),
    bytes: slice.bytes + segment.bytes,
  }
}
