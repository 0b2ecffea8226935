// The elements of a JSON array as the texts they were written as: parsing and writing again would round large numbers
// and change what is to be forwarded verbatim. Pure; only for text that JSON.parse has accepted, which it does not check.

/** `limit`: it stops behind that many, so that a sender of millions does not decide how much memory is used. */
export function sliceArray(text: string, limit = Number.POSITIVE_INFINITY): readonly string[] {
  const slices: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length && slices.length < limit; at += 1) {
    const char = text[at]
    if (char === '"') at = endOfString(text, at)
    else if (char === '[' || char === '{') {
      depth += 1
      if (depth === 1) start = at + 1
    } else if (char === ']' || char === '}') {
      depth -= 1
      if (depth === 0) slices.push(text.slice(start, at).trim())
    } else if (char === ',' && depth === 1) {
      slices.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return slices.length === 1 && slices[0] === '' ? [] : slices
}

/** The objects of concatenated JSON (`{…}{…}`, whatever stands between). One that is cut off is left out. */
export function sliceObjects(text: string): readonly string[] {
  const slices: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '"') at = endOfString(text, at)
    else if (char === '{') {
      if (depth === 0) start = at
      depth += 1
    } else if (char === '}') {
      depth -= 1
      if (depth === 0) slices.push(text.slice(start, at + 1))
    }
  }
  return slices
}

/** The index of the quote that ends the string begun at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at
  }
  return text.length
}
