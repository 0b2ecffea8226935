// Makes inputs for fuzz.ts: valid examples of a parser, broken at random, and noise.
import type { Random } from '../random.ts'

/** What parsers trip over, spliced into texts. */
const FRAGMENTS = [
  '{', '}', '[', ']', '"', '\\', ',', ':', '/', '..', '*', '%2f', '%', '~1', '\u0000', '\r\n', '\ud800', '\u2028', '😀',
  'null', 'true', '-0', '1e999999999', '9007199254740993', '0.1000000000000000055', '__proto__', 'constructor', ' ', 'é',
  '{"a":{"a":{"a":', '[[[[[[[[', 'data:', 'a'.repeat(300), '('.repeat(30), '(a+)+$',
] // prettier-ignore

const MAX_CHARS = 4_096

/** A text near one of the examples: most are still nearly right, so that they reach the inside of a parser. */
export function mutateText(random: Random, examples: readonly string[]): string {
  if (random.chance(0.05)) return new TextDecoder().decode(random.bytes(random.below(64)))
  let text = random.pick(examples)
  for (let edits = random.below(5); edits > 0; edits -= 1) text = editText(random, text, examples)
  return text.slice(0, MAX_CHARS)
}

function editText(random: Random, text: string, examples: readonly string[]): string {
  const at = random.below(text.length + 1)
  const end = Math.min(text.length, at + random.below(8))
  switch (random.below(5)) {
    case 0:
      return text.slice(0, at) + text.slice(end)
    case 1:
      return text.slice(0, at) + random.pick(FRAGMENTS) + text.slice(at)
    case 2:
      return text.slice(0, at) + String.fromCharCode(random.below(random.chance(0.9) ? 128 : 65_536)) + text.slice(end)
    case 3:
      return text.slice(0, at) + text.slice(at, end).repeat(1 + random.below(20)) + text.slice(end)
    default:
      return text.slice(0, at) + random.pick(examples).slice(random.below(50))
  }
}

/** Bytes near one of the examples. */
export function mutateBytes(random: Random, examples: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (random.chance(0.05)) return random.bytes(random.below(200))
  let bytes = random.pick(examples).slice()
  for (let edits = random.below(5); edits > 0; edits -= 1) bytes = editBytes(random, bytes)
  return bytes
}

function editBytes(random: Random, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1)
  switch (random.below(4)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return Uint8Array.from([...bytes.subarray(0, at), ...random.bytes(1 + random.below(8)), ...bytes.subarray(at)])
    case 2:
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + random.below(4))])
    default:
      if (at < bytes.length) bytes[at] = random.chance(0.3) ? 0xff : random.below(256)
      return bytes
  }
}
