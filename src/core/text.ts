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

/** Returns the first `maxChars` characters (UTF-16 code units) and an ellipsis, or the whole text when it is no longer. */
export function truncate(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars)}…` : text
}
