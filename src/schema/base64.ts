// Bytes as base64 and back. Pure. In parts: a call takes only so many arguments, and one by one is slow.

const PART_BYTES = 8_192

export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PART_BYTES))
  }
  return btoa(binary)
}

/** Undefined: it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}
