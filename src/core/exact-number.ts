// JSON numbers as exact decimals (RFC 8259, section 6). A double holds 15 digits of any number and not every integer beyond
// 2^53: two different 64-bit ids would become one. A number that a double does not hold is kept by its digits. Pure.

/** A number that no double holds: its canonical decimal. It survives JSON and structured clone, unlike JSON.rawJSON. */
export interface ExactNumber {
  readonly number: string
}

/** The longest canonical decimal, in characters: `1e1000000000` must not take a gigabyte. Every finite double is shorter. */
export const MAX_DECIMAL_CHARS = 1_000

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** Returns whether a value of an event's field, a constraint or metadata is a number kept by its digits. */
export function isExactNumber(value: unknown): value is ExactNumber {
  return typeof value === 'object' && value !== null && 'number' in value && typeof value.number === 'string'
}

/**
 * Returns a number's one decimal form: no exponent, no zeros in front of or behind the number, `0` for every zero. `1.0`,
 * `1` and `10e-1` have the same. Returns undefined for text that is no JSON number, or whose decimal would be longer than
 * `MAX_DECIMAL_CHARS`.
 */
export function canonicalDecimal(text: string): string | undefined {
  const match = NUMBER.exec(text)
  if (match === null) return undefined
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match
  const { digits, dropped } = trimZeros(whole + fraction)
  if (digits === '') return '0'
  const exponent = Number(exponentText) - fraction.length + dropped
  if (digits.length > MAX_DECIMAL_CHARS || Math.abs(exponent) > MAX_DECIMAL_CHARS) return undefined
  const decimal = sign + placePoint(digits, exponent)
  return decimal.length > MAX_DECIMAL_CHARS ? undefined : decimal
}

/** Returns a negative number, zero or a positive one. Both must be canonical decimals. */
export function compareDecimals(a: string, b: string): number {
  const isNegative = a.startsWith('-')
  if (isNegative !== b.startsWith('-')) return isNegative ? -1 : 1
  return isNegative ? compareMagnitudes(b.slice(1), a.slice(1)) : compareMagnitudes(a, b)
}

/** A loop and not a regular expression, which takes quadratic time in a long run of zeros. */
function trimZeros(text: string): { readonly digits: string; readonly dropped: number } {
  let from = 0
  let to = text.length
  while (from < to && text[from] === '0') from += 1
  while (to > from && text[to - 1] === '0') to -= 1
  return { digits: text.slice(from, to), dropped: text.length - to }
}

/** `digits` times ten to the power of `exponent`. */
function placePoint(digits: string, exponent: number): string {
  if (exponent >= 0) return digits + '0'.repeat(exponent)
  const point = digits.length + exponent
  return point > 0 ? `${digits.slice(0, point)}.${digits.slice(point)}` : `0.${'0'.repeat(-point)}${digits}`
}

function compareMagnitudes(a: string, b: string): number {
  const [wholeA = '', fractionA = ''] = a.split('.')
  const [wholeB = '', fractionB = ''] = b.split('.')
  if (wholeA.length !== wholeB.length) return wholeA.length - wholeB.length
  return compareText(wholeA, wholeB) || compareText(fractionA, fractionB)
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
