// JSON from outside, for who has a word of his own for what is none. Pure.

/** Undefined: it is none, for JSON has no such value. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
