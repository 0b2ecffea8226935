// Text: bytes as UTF-8 (RFC 3629) and shortening for messages. Pure; used by every module.

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Returns the text of UTF-8 bytes, without a byte order mark, or undefined when the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** Returns what a text takes of V8's heap, without its header: with one character past Latin-1, each takes two bytes. */
export function heapBytesOf(text: string): number {
  // oxlint-disable-next-line no-control-regex -- Latin-1 is everything from NUL on
  return /[^\u0000-\u00ff]/.test(text) ? 2 * text.length : text.length
}

/** Returns the first `maxChars` characters (UTF-16 code units) and an ellipsis, or the whole text when it is no longer. */
export function truncate(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars)}…` : text
}
