// From when on a client wants events that are stored already: `since=<RFC 3339>`, or `last_event_id=earliest`. Pure.
import { fail, ok, type Result } from '../result.ts'

/** Instead of a position: everything that is stored. */
export const EARLIEST = 'earliest'

/** RFC 3339, section 5.6, with T and Z in capitals. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** Returns milliseconds since the epoch, or a text that says what would be right. */
export function parseSince(text: string): Result<number, string> {
  const ms = RFC_3339.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(ms)) return ok(Math.max(0, ms))
  return fail('since must be a time as in RFC 3339, such as 2026-11-27T08:00:00Z (a + in a URL is written %2B)')
}
