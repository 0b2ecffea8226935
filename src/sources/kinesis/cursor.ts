// The place of a follower in a shard, as it stands in the checkpoint. Sequence numbers of Kinesis have up to 128 bits and
// gaps, and an aggregated record holds several with one number: offsets are counted by Rigel, and the cursor says where the
// next one is. Pure.

/** A sequence number is decimal. `inside`: that many records of an aggregated record were read, and others were not. */
export type Cursor =
  /** Nothing was read yet. */
  | { readonly kind: 'start' }
  | { readonly kind: 'after'; readonly sequence: string; readonly inside: number }
  /** The shard was read to its end: it was split or merged. */
  | { readonly kind: 'end' }

const END = 'end'
const AFTER = /^(\d{1,60})(?:\.(\d{1,9}))?$/

/** Parses the text of a checkpoint. Throws if it is none: then it was not written by this code. */
export function parseCursor(text: string | null): Cursor {
  if (text === null) return { kind: 'start' }
  if (text === END) return { kind: 'end' }
  const [, sequence, inside = '0'] = AFTER.exec(text) ?? []
  if (sequence === undefined) throw new TypeError(`not a cursor of Kinesis: ${text.slice(0, 80)}`)
  return { kind: 'after', sequence, inside: Number(inside) }
}

/** Returns the text for a checkpoint; null at the start. */
export function formatCursor(cursor: Cursor): string | null {
  if (cursor.kind === 'start') return null
  if (cursor.kind === 'end') return END
  return cursor.inside === 0 ? cursor.sequence : `${cursor.sequence}.${cursor.inside}`
}
