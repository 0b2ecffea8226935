// Ids of users and sessions, from tokens and from events alike: docs/identities.md states the rules. Pure.
import { canonicalDecimal } from '../exact-number.ts'
import { numberText } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'

/** The most characters of the ids of one list. `1e999` is 200 times as long once it is written out. */
export const MAX_IDS_CHARS = 4_194_304

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

/** Returns the different ids in a list, or the one that the value is. Stops at the first that is none, and at the limit. */
export function toIds(value: unknown): Result<readonly string[], 'invalid' | 'too_large'> {
  const ids = new Set<string>()
  let chars = 0
  for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
    const id = toId(one)
    if (id === undefined) return fail('invalid')
    if (ids.has(id)) continue
    chars += id.length
    if (chars > MAX_IDS_CHARS) return fail('too_large')
    ids.add(id)
  }
  return ok([...ids])
}
