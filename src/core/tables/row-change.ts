// The change of a row of a table by an event, and the item by which those are told of it who saw the row before and do not
// see it now. The event carries what decided who saw the replaced row. Pure. Used by the shard's log.
import type { RowAudience, RowChange, StoredEvent } from '../events/stored-event.ts'

/** The type of the events by which clients are told that they no longer see a row. */
const ROW_REMOVED = 'rig.table.removed'

/** Returns the change with what it replaces. `before`: undefined if there was no row. */
export function withReplaced(
  [key, removes]: RowChange,
  before: RowAudience | undefined,
  after: RowAudience,
): RowChange {
  if (before === undefined) return [key, removes]
  return removes === 0 && isSameAudience(before, after) ? [key, 0] : [key, removes, before.fields, before.recipients]
}

/** Nearly always without making JSON of both. */
function isSameAudience(a: RowAudience, b: RowAudience): boolean {
  const names = Object.keys(a.fields)
  const hasSameFields =
    names.length === Object.keys(b.fields).length && names.every((name) => isSameJson(a.fields[name], b.fields[name]))
  return hasSameFields && isSameJson(a.recipients, b.recipients)
}

function isSameJson(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
}

/** Returns the item for those who saw the replaced row; undefined: nobody did. It has the sequence number of the event. */
export function removalOf(event: StoredEvent, change: RowChange): StoredEvent | undefined {
  const [key, , fields, recipients = null] = change
  if (fields === undefined) return undefined
  const { offset, origin, seq } = event
  const json = JSON.stringify({
    specversion: '1.0',
    id: `${origin?.partition ?? ''}@${offset ?? seq}`,
    source: 'rig',
    type: ROW_REMOVED,
    datacontenttype: 'application/json',
    data: { type: event.type, key },
  })
  return { seq, origin, offset, type: ROW_REMOVED, json, fields, recipients, connectionId: null, replacedBy: event }
}

/** Returns the replaced row, as its event was. */
export function replacedRow({ fields, recipients }: StoredEvent, by: StoredEvent): StoredEvent {
  return { ...by, fields, recipients, isExpired: undefined }
}
