// Finds the position that a client resumes from. Called by every transport's handler but Phoenix, whose clients send it
// in the join of a channel.
import { decodeQueryText, parametersOf } from './query.ts'

/** `last_event_id`, `lastEventId`, `lastEventID`, `Last-Event-ID`: the names that libraries use, without their spelling. */
const NAME = 'lasteventid'

/**
 * Returns null if the request has none; an empty one counts as none. The header wins over the query: an EventSource that
 * reconnects sends the header beside the query of its first request.
 */
export function findPosition(request: Request): string | null {
  const header = request.headers.get('last-event-id')
  if (header !== null && header !== '') return header
  for (const [name, value] of parametersOf(request.url)) {
    if (value !== '' && name.replaceAll(/[-_]/g, '').toLowerCase() === NAME) return decodeQueryText(value)
  }
  return null
}
