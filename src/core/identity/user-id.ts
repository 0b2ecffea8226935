// Ids of users and sessions, from tokens and from events alike: docs/identities.md states the rules. Pure.
import { canonicalDecimal } from '../exact-number.ts'
import { numberText } from '../json.ts'

/**
 * Returns the id that a claim or a recipient is: a non-empty string as it is, a number as its canonical decimal, so that
 * 1 and "1" are one user, as in RIG. Returns undefined for everything else: a string that is not well-formed Unicode,
 * because storage would make two of them equal, and a number whose decimal has more than 1,000 characters.
 */
export function toId(value: unknown): string | undefined {
  if (typeof value === 'string') return value !== '' && value.isWellFormed() ? value : undefined
  if (Number.isSafeInteger(value)) return String(value)
  const text = numberText(value)
  return text === undefined ? undefined : canonicalDecimal(text)
}
