// Erases a user from the events of a segment of the shard's log. An erased event keeps its type and offset, without
// recipients, so that positions stay valid. Pure. Called by log-store.ts.
import { concat } from '../../../core/bytes.ts'
import { isObject, parseJson } from '../../../core/json.ts'
import type { RowChange } from '../../../core/events/stored-event.ts'
import {
  decodeHeaders,
  decodePayloads,
  type EncodedEvents,
  type EventHeader,
} from '../../../core/delivery/batch-codec.ts'

export interface Erased {
  /** Events that were for this user only. */
  readonly erased: number
  /** Events with other recipients too. The user is removed from the recipients; the text is unchanged. */
  readonly shared: number
}

/** Returns the segment without the user, or undefined if it has nothing of the user. */
export function eraseFrom({ heads, body }: EncodedEvents, user: string): (EncodedEvents & Erased) | undefined {
  const events = decodeHeaders(heads)
  const texts = decodePayloads(events, body)
  const kept: Uint8Array[] = []
  const counts = { erased: 0, shared: 0 }
  let at = 0
  let isChanged = false
  const left = events.map((event, index): EventHeader => {
    const [type, fields, recipients, connectionId, length, offset, row] = event
    const text = body.subarray(at, at + length)
    at += length
    const change = row === undefined ? undefined : withoutUser(row, user)
    const others = recipients?.filter((recipient) => recipient !== user) ?? null
    const isOnlyFor = others?.length === 0 && recipients?.length !== 0
    if (isOnlyFor || (connectionId !== null && isOwnEventOf(texts[index] ?? '', user))) {
      counts.erased += 1
      isChanged = true
      if (offset === undefined) return [type, {}, [], null, 0]
      return isTold(change) ? [type, {}, [], null, 0, offset, change] : [type, {}, [], null, 0, offset]
    }
    kept.push(text)
    const isShared = others !== null && others.length !== recipients?.length
    if (!isShared && change === row) return event
    counts.shared += isShared ? 1 : 0
    isChanged = true
    const header = [type, fields, others, connectionId, length] as const
    if (offset === undefined) return header
    return change === undefined ? [...header, offset] : [...header, offset, change]
  })
  if (!isChanged) return undefined
  return { heads: JSON.stringify(left), body: concat(kept), ...counts }
}

/** Others saw the row that the event replaced, and know its key: a client that comes back has to be told that it is gone. */
function isTold(change: RowChange | undefined): change is RowChange {
  return change !== undefined && change.length > 2
}

/** The user is no longer told that the row is gone. */
function withoutUser(change: RowChange, user: string): RowChange {
  const [key, removes, fields, recipients] = change
  if (recipients?.includes(user) !== true) return change
  const others = recipients.filter((recipient) => recipient !== user)
  return others.length === 0 ? [key, removes] : [key, removes, fields, others]
}

/** `rig.connection.create` says whose a connection is. */
function isOwnEventOf(json: string, user: string): boolean {
  const event = parseJson(json)
  const data = isObject(event) ? event['data'] : undefined
  return isObject(data) && data['user'] === user
}
