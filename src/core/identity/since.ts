// From when on a client wants events that are stored already: `since=<RFC 3339>`, or `last_event_id=earliest`. Pure.
import { fail, ok, type Result } from '../result.ts'
import { isTimestamp } from '../time/timestamp.ts'

/** Instead of a position: everything that is stored. */
export const EARLIEST = 'earliest'

/** Returns milliseconds since the epoch, or a text that says what would be right. */
export function parseSince(text: string): Result<number, string> {
  const ms = isTimestamp(text) ? Date.parse(text.toUpperCase()) : NaN
  if (!Number.isNaN(ms)) return ok(Math.max(0, ms))
  return fail('since must be a time as in RFC 3339, such as 2026-11-27T08:00:00Z (a + in a URL is written %2B)')
}
