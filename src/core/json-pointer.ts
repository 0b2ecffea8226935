// RFC 6901 JSON pointers, compiled once and evaluated per event. Any value is safe to walk: the result is `undefined` where a
// member is absent or the value is no object or array.

/** The reference tokens of a pointer, unescaped (RFC 6901, section 4). The empty list points to the whole document. */
export type JsonPointer = readonly string[]

/** Parses a pointer in string form (`/a/b`, with `~0` and `~1`). Returns undefined for an empty or malformed text. */
export function parsePointer(text: string): JsonPointer | undefined {
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined
  return text
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Returns the value at the pointer (RFC 6901, section 4), or undefined if there is none. Never throws. */
export function evaluatePointer(pointer: JsonPointer, document: unknown): unknown {
  let value = document
  for (const token of pointer) {
    if (!isContainer(value) || !Object.hasOwn(value, token)) return undefined
    value = value[token]
  }
  return value
}

/** Returns all values that a pointer finds if it also goes through arrays: by index where it names one, else into each item. */
export function evaluateAll(pointer: JsonPointer, document: unknown): readonly unknown[] {
  let values: readonly unknown[] = [document]
  for (const token of pointer) values = values.flatMap((value) => step(value, token))
  return values.flatMap((value) => (Array.isArray(value) ? (value as readonly unknown[]) : [value]))
}

function step(value: unknown, token: string): readonly unknown[] {
  if (!isContainer(value)) return []
  if (Object.hasOwn(value, token) && !(Array.isArray(value) && token === 'length')) {
    return [value[token]]
  }
  return Array.isArray(value)
    ? (value as readonly unknown[]).flatMap((item) => (Array.isArray(item) ? [] : step(item, token)))
    : []
}

/** An object or an array: a number that is kept by its digits is an object to JavaScript only. */
function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && numberText(value) === undefined
}
import { numberText } from './json.ts'
