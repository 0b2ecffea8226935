// Bytes: several arrays as one, and bytes as base64 (RFC 4648) and hexadecimal text and back. Pure.

/** How many arguments one call of String.fromCharCode takes without overflowing the stack. */
const PART_BYTES = 8_192

const HEX_DIGITS = new TextEncoder().encode('0123456789abcdef')
const decoder = new TextDecoder()

/** Returns the arrays as one, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Returns base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += PART_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(at, at + PART_BYTES))
  }
  return btoa(binary)
}

/** Returns the bytes of base64 text, or undefined when it is not base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text)
    const bytes = new Uint8Array(binary.length)
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at)
    return bytes
  } catch {
    return undefined
  }
}

/** Returns two lower-case hexadecimal digits for each byte. Adding digits to a text would leave 32 bytes of garbage for each byte. */
export function toHex(bytes: Uint8Array): string {
  const digits = new Uint8Array(bytes.length * 2)
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0
    digits[at * 2] = HEX_DIGITS[byte >> 4] ?? 0
    digits[at * 2 + 1] = HEX_DIGITS[byte & 15] ?? 0
  }
  return decoder.decode(digits)
}

/** Returns the bytes of an even number of hexadecimal digits, which are not checked. */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, n) => Number.parseInt(digits.slice(n * 2, n * 2 + 2), 16))
}
