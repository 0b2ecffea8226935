// Makes an event unambiguous before a check service (SUBMISSION_CHECK) sees it: the service must check exactly what is
// published. Parsers differ in which of two equal members they read, so the event is serialized again from the parsed
// values. A type or id under the names of two versions is refused unless both are equal. Pure. Called where events are
// read.
import type { CloudEvent } from './stored-event.ts'
import { parseExactly } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'

/** The name in 1.0 and 0.2, and the name in 0.1. */
const NAMES = [
  ['type', 'eventType'],
  ['id', 'eventID'],
] as const

/** Returns the event to check and to publish, or which members contradict each other. */
export function toCheckedEvent(event: CloudEvent): Result<CloudEvent, string> {
  for (const [name, old] of NAMES) {
    const [one, other] = [event.parsed[name], event.parsed[old]]
    if (one !== undefined && other !== undefined && JSON.stringify(one) !== JSON.stringify(other))
      return fail(`"${name}" and "${old}" differ: send only one of them, or the same value in both`)
  }
  const json = rewritten(event.json)
  return json === undefined ? fail('it is nested too deeply') : ok({ ...event, json })
}

/** Undefined: the nesting exceeds the stack, at some thousand levels. JSON.parse alone has no such limit. */
function rewritten(json: string): string | undefined {
  try {
    return JSON.stringify(parseExactly(json))
  } catch {
    return undefined
  }
}
