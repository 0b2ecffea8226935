// RFC 6901 JSON pointers, compiled once and evaluated per event. Any value is safe to walk: what is not there, or is of
// another kind than the pointer expects, is `undefined`.

export type JsonPointer = readonly string[]

/** Undefined unless `text` is a non-empty pointer in string form (`/a/b`, with `~0` and `~1`). */
export function parsePointer(text: string): JsonPointer | undefined {
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined
  return text
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function evaluatePointer(pointer: JsonPointer, document: unknown): unknown {
  let value = document
  for (const token of pointer) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined
    value = (value as Record<string, unknown>)[token]
  }
  return value
}
