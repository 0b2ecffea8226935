// A follower's place in a shard, as the checkpoint stores it. Kinesis' sequence numbers cannot be offsets: they have
// up to 128 bits and gaps, and all records of an aggregated record have the same one. So Rigel counts offsets itself,
// and the cursor says where the next record is. Pure.

/** `sequence` is decimal. `inside`: the number of records of an aggregated record that were read, if some were not. */
export type Cursor =
  /** Nothing was read yet. */
  | { readonly kind: 'start' }
  | { readonly kind: 'after'; readonly sequence: string; readonly inside: number }
  /** The shard was read to its end: it was split or merged. */
  | { readonly kind: 'end' }

const END = 'end'
const AFTER = /^(\d{1,60})(?:\.(\d{1,9}))?$/

/** Parses the cursor of a checkpoint. Throws a TypeError if the text is not a cursor, which would be a bug. */
export function parseCursor(text: string | null): Cursor {
  if (text === null) return { kind: 'start' }
  if (text === END) return { kind: 'end' }
  const [, sequence, inside = '0'] = AFTER.exec(text) ?? []
  if (sequence === undefined) throw new TypeError(`not a Kinesis cursor: ${text.slice(0, 80)}`)
  return { kind: 'after', sequence, inside: Number(inside) }
}

/** Returns the text for a checkpoint; null at the start. */
export function formatCursor(cursor: Cursor): string | null {
  if (cursor.kind === 'start') return null
  if (cursor.kind === 'end') return END
  return cursor.inside === 0 ? cursor.sequence : `${cursor.sequence}.${cursor.inside}`
}
