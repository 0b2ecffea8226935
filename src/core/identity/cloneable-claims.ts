// Encodes claims for RPC without losing digits. Structured clone refuses JSON.rawJSON, so a number that a double
// cannot hold becomes {"$number": "<digits>"}. A key `$number` of the claims themselves is escaped with one more `$`.
// Pure.
import { isObject, numberText, rawNumber } from '../json.ts'

const MARK = '$number'
const MARK_OR_LONGER = /^\$+number$/

/** Returns a parsed JSON value in a form that structured clone and JSON preserve. */
export function toCloneable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toCloneable)
  if (isObject(value)) return mapMembers(value, lengthened, toCloneable)
  const digits = typeof value === 'number' ? undefined : numberText(value)
  return digits === undefined ? value : { [MARK]: digits }
}

/** Returns the JSON text of a value of which members, or all of it, were encoded by `toCloneable`. */
export function stringifyCloneable(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (!isObject(member)) return member
    const digits = member[MARK]
    if (typeof digits === 'string') return rawNumber(digits)
    return Object.keys(member).some((key) => MARK_OR_LONGER.test(key))
      ? mapMembers(member, shortened, (inner) => inner)
      : member
  })
}

function lengthened(key: string): string {
  return MARK_OR_LONGER.test(key) ? `$${key}` : key
}

function shortened(key: string): string {
  return MARK_OR_LONGER.test(key) ? key.slice(1) : key
}

function mapMembers(
  object: Readonly<Record<string, unknown>>,
  toKey: (key: string) => string,
  toMember: (member: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, member]) => [toKey(key), toMember(member)]))
}
