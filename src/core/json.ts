// JSON (RFC 8259): parsing text from outside, and cutting text into its elements without parsing and writing it again.
// A number that a double does not hold is a JSON.rawJSON object, which JSON.stringify writes digit by digit and which
// structured clone refuses: values that are parsed here cannot be passed to an RPC. Pure; used by every module.
import { canonicalDecimal } from './exact-number.ts'
import { fail, ok, type Result } from './result.ts'
import { truncate } from './text.ts'

/** A JSON object whose members are not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>

/** ES2026 (proposal-json-parse-with-source): workerd and Node have it, TypeScript's library does not know it yet. */
const exact = JSON as typeof JSON & {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): value is { readonly rawJSON: string }
}

/** Returns whether the value is a JSON object: no array, no null, and no number that `parseExactly` kept as text. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !exact.isRawJSON(value)
}

/** Returns the value of a JSON text, or undefined, which is no JSON value, when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** Returns the value of a JSON text. The reason of a failure is the engine's message, such as `Unexpected token …`. */
export function parseJsonOrReason(text: string): Result<unknown, string> {
  try {
    return ok(parse(text))
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

/**
 * Matches every text with a number inside that a double does not hold: 16 digits, or an exponent of three digits, where a number
 * can begin. Elsewhere it would find every fourth UUID in a string. Other texts are parsed without a reviver, which is slow.
 * V8 writes out three repetitions at most, and skips text by what is written out: `{16}` at once takes three times as long.
 */
const MAY_BE_INEXACT = /[:[,\s](?:-?[\d.]{3}[\d.]{3}[\d.]{10}|-?[\d.]+[eE][+-]?\d{3})/

function parse(text: string): unknown {
  const isNumber = /^[-\d]/.test(text)
  return isNumber || MAY_BE_INEXACT.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)
}

function keepDigits(_key: string, value: unknown, context?: { readonly source: string }): unknown {
  if (typeof value !== 'number' || context === undefined || isHeld(value, context.source)) return value
  return exact.rawJSON(context.source)
}

/** Returns whether the double, written as text, is this number. */
function isHeld(value: number, source: string): boolean {
  const held = String(value)
  if (held === source) return true
  const decimal = canonicalDecimal(source)
  return decimal !== undefined && decimal === canonicalDecimal(held)
}

/**
 * Returns what `parseJson` returns, but each number is a JSON.rawJSON object, which JSON.stringify writes digit by digit:
 * for data that is only passed on.
 */
export function parseExactly(text: string): unknown {
  try {
    return JSON.parse(text, keepSource) as unknown
  } catch {
    return undefined
  }
}

function keepSource(_key: string, value: unknown, context?: { readonly source: string }): unknown {
  return typeof value === 'number' && context !== undefined ? exact.rawJSON(context.source) : value
}

/** Returns the digits of a number, whichever function parsed it, or undefined for what is not a finite number. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined
  return exact.isRawJSON(value) ? value.rawJSON : undefined
}

/** Returns what JSON.stringify writes as this number. `decimal` must be a JSON number. */
export function rawNumber(decimal: string): unknown {
  return exact.rawJSON(decimal)
}

/** Returns the start of a value's JSON, for an error text. */
export function showJson(value: unknown, maxChars: number): string {
  return truncate(JSON.stringify(value) ?? String(value), maxChars)
}

/**
 * Returns the elements of a JSON array as the texts they were written as, `limit` of them at most: parsing and writing
 * again would round large numbers. The text must be valid JSON, which is not checked here.
 */
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

/** Returns how many members the outermost object of a JSON text has, each as often as it is written. The text must be valid JSON. */
export function countMembers(text: string): number {
  let depth = 0
  let commas = 0
  let isEmpty = true
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '"') {
      at = endOfString(text, at)
      isEmpty = false
    } else if (char === '[' || char === '{') depth += 1
    else if (char === ']' || char === '}') depth -= 1
    else if (char === ',' && depth === 1) commas += 1
  }
  return isEmpty ? 0 : commas + 1
}

/** Returns the objects of concatenated JSON (`{…}{…}`, whatever is between them). An object that is cut off is left out. */
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

/** Returns the index of the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at
  }
  return text.length
}
