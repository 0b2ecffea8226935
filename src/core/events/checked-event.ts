// An event under SUBMISSION_CHECK as a service: the service is asked about exactly what is published. A member that occurs twice
// could be read in two ways, so the event is written anew from the values that Rigel read; a type or id under the names of two
// versions is refused unless both say the same. Pure; called where a client's events are read.
import type { CloudEvent } from './stored-event.ts'
import { parseExactly } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'

/** The name in 1.0 and 0.2, and the name in 0.1. */
const NAMES = [
  ['type', 'eventType'],
  ['id', 'eventID'],
] as const

/** Returns the event as it is to be checked and published. The reason says what is ambiguous. */
export function toCheckedEvent(event: CloudEvent): Result<CloudEvent, string> {
  for (const [name, old] of NAMES) {
    const [one, other] = [event.parsed[name], event.parsed[old]]
    if (one !== undefined && other !== undefined && JSON.stringify(one) !== JSON.stringify(other))
      return fail(`"${name}" and "${old}" are both there and differ: the service that checks events could read either`)
  }
  return ok({ ...event, json: JSON.stringify(parseExactly(event.json)) })
}
