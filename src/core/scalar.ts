// JSON scalars as Rigel compares them: fields of events, constraints, claims and metadata. Numbers are compared exactly,
// digit by digit; a number and a string are never equal. Pure.
import { canonicalDecimal, compareDecimals, isExactNumber, type ExactNumber } from './exact-number.ts'
import { numberText, rawNumber } from './json.ts'

/** A `number` is one that a double holds; every other number is an `ExactNumber`. */
export type Scalar = string | number | boolean | null | ExactNumber

/** A JSON number of any length: a double where it is exact, otherwise its digits. */
export type ScalarNumber = number | ExactNumber

/** Returns the scalar that a parsed JSON value is, or undefined for objects, arrays and numbers that are too long. */
export function toScalar(value: unknown): Scalar | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  const text = numberText(value)
  if (text === undefined) return undefined
  const number = canonicalDecimal(text)
  if (number === undefined) return undefined
  // A sender may write digits that a double holds in a form that it does not have: `10000000000000000.0`.
  return canonicalDecimal(String(Number(number))) === number ? Number(number) : { number }
}

/** Returns whether both are the same JSON type and value. */
export function isSameScalar(a: Scalar, b: Scalar): boolean {
  return a === b || (isExactNumber(a) && isExactNumber(b) && a.number === b.number)
}

/** Returns a key for Maps that is the same for two scalars if and only if they are the same. */
export function scalarKey(value: Scalar): string | number | boolean | null {
  // A number as text has no quote, and every string does.
  return isExactNumber(value) ? value.number : typeof value === 'string' ? `"${value}` : value
}

/**
 * Returns a negative number, zero or a positive one: numbers by value, strings by UTF-16 code units. Returns NaN, which
 * no comparison holds for, unless both are numbers or both are strings.
 */
export function compareScalars(value: Scalar, bound: ScalarNumber | string): number {
  if (typeof value === 'number' && typeof bound === 'number') return value - bound
  if (typeof value === 'string' && typeof bound === 'string') return value === bound ? 0 : value < bound ? -1 : 1
  const [a, b] = [decimalOf(value), decimalOf(bound)]
  return a === undefined || b === undefined ? Number.NaN : compareDecimals(a, b)
}

/** Returns the text that a scalar of metadata is found by: 1 and "1" are one value. */
export function scalarText(value: Exclude<Scalar, null>): string {
  return isExactNumber(value) ? value.number : typeof value === 'number' ? (decimalOf(value) ?? '') : String(value)
}

/** Returns the JSON of a value that holds scalars, each number with all of its digits. */
export function stringifyScalars(value: unknown): string {
  // Called back for each member, JSON.stringify takes ten times as long: most values have no such number.
  if (!hasExactNumber(value)) return JSON.stringify(value)
  return JSON.stringify(value, (_key, member: unknown) => (isExactNumber(member) ? rawNumber(member.number) : member))
}

function hasExactNumber(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (isExactNumber(value)) return true
  for (const name in value) if (hasExactNumber((value as Readonly<Record<string, unknown>>)[name])) return true
  return false
}

function decimalOf(value: Scalar): string | undefined {
  if (typeof value === 'number') return canonicalDecimal(String(value))
  return isExactNumber(value) ? value.number : undefined
}
