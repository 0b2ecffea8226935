// Parses the values of a rule of TOPICS, such as `/user/id`, `header:x-type`, `key user.{id}`, `order.{/kind}`. Pure. For
// topics.ts; decoding/rule-values.ts evaluates them.
import type { RecordSource, RuleValue, TextPattern } from '../core/events/topic-rule.ts'
import { isObject } from '../core/json.ts'
import { parsePointer } from '../core/json-pointer.ts'
import { fail, ok, type Result } from '../core/result.ts'

const MAX_ALTERNATIVES = 10
const WORDS: Readonly<Record<string, RecordSource>> = {
  key: { kind: 'key', pointer: null },
  // The whole key as JSON: a key of one value, such as a string of Avro.
  'key:': { kind: 'key', pointer: [] },
  topic: { kind: 'topic' },
  position: { kind: 'position' },
  timestamp: { kind: 'timestamp' },
  schema: { kind: 'schema' },
}
const EXPECTED =
  'must be a JSON pointer ("/user/id"), "key", "key:/id", "header:name", "topic", "position", "timestamp", "schema", or text ' +
  'with such places in braces ("order.{/kind}")'

/**
 * Parses a text, alternatives separated by ` | `, a list of them, or an object with `json_pointer`, `key` or `header` and
 * `pattern`. A pattern follows its place: `key user.{id}`.
 */
export function parseRuleValue(value: unknown): Result<RuleValue, string> {
  const items = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).flatMap((item) =>
    typeof item === 'string' ? item.split(' | ') : [item],
  )
  if (items.length > MAX_ALTERNATIVES) return fail(`must have at most ${MAX_ALTERNATIVES} alternatives`)
  const alternatives: RuleValue[number][] = []
  for (const item of items) {
    const parsed = typeof item === 'string' ? parseText(item.trim()) : parseObject(item)
    if (!parsed.ok) return parsed
    alternatives.push(parsed.value)
  }
  return ok(alternatives)
}

function parseText(text: string): Result<RuleValue[number], string> {
  if (text === '') return fail(`${EXPECTED}, got nothing`)
  const space = text.indexOf(' ')
  const place = parsePlace(space < 0 ? text : text.slice(0, space))
  if (place === undefined) {
    if (/^(header:|key:|envelope:|\/)/.test(text) && !text.includes('{'))
      return fail(`${EXPECTED}, got "${text.slice(0, 60)}"`)
    const source = parseTemplate(text)
    return source.ok ? ok({ source: source.value, pattern: null, text }) : source
  }
  if (space < 0) return ok({ source: place, pattern: null, text })
  const pattern = parsePattern(text.slice(space + 1).trim())
  return pattern.ok ? ok({ source: place, pattern: pattern.value, text }) : pattern
}

/** Undefined: the text names no place, so it is a constant or a template. */
function parsePlace(text: string): RecordSource | undefined {
  if (Object.hasOwn(WORDS, text)) return WORDS[text]
  // Braces: a template that begins with a slash, such as "/topics/{topic}".
  if (text.includes('{')) return undefined
  const [, kind, rest] = /^(header|key|envelope):(.+)$/s.exec(text) ?? []
  if (kind === 'header' && rest !== undefined) return { kind: 'header', name: rest.toLowerCase() }
  const pointer = parsePointer(rest ?? text)
  if (pointer === undefined) return undefined
  if (kind === 'key') return { kind: 'key', pointer }
  return { kind: kind === 'envelope' ? 'envelope' : 'value', pointer }
}

/** `=text` is the text itself, whatever it looks like. */
function parseTemplate(text: string): Result<RecordSource, string> {
  if (text.startsWith('=')) return ok({ kind: 'template', parts: [text.slice(1)] })
  const parts: (string | RecordSource)[] = []
  let rest = text
  for (;;) {
    const open = rest.indexOf('{')
    if (open < 0) break
    const close = rest.indexOf('}', open)
    const place = close < 0 ? undefined : parsePlace(rest.slice(open + 1, close))
    if (place === undefined) return fail(`${EXPECTED}, got "${text.slice(0, 60)}"`)
    parts.push(rest.slice(0, open), place)
    rest = rest.slice(close + 1)
  }
  if (rest.includes('}')) return fail(`${EXPECTED}, got "${text.slice(0, 60)}"`)
  return ok({ kind: 'template', parts: [...parts, rest].filter((part) => part !== '') })
}

function parsePattern(text: string): Result<TextPattern, string> {
  const [, before, after] = /^([^{}]*)\{\w*\}([^{}]*)$/.exec(text) ?? []
  if (before === undefined || after === undefined) {
    return fail(`has a pattern "${text.slice(0, 60)}", which must have one place in braces, as in "user.{id}"`)
  }
  return ok({ before, after })
}

function parseObject(value: unknown): Result<RuleValue[number], string> {
  if (!isObject(value)) return fail(`${EXPECTED}, got ${JSON.stringify(value)?.slice(0, 60) ?? 'nothing'}`)
  const { pattern, ...place } = value
  const [[kind, text] = [], ...others] = Object.entries(place)
  const source =
    others.length > 0
      ? undefined
      : kind === 'json_pointer' && typeof text === 'string'
        ? toPointerSource(text)
        : kind === 'header' && typeof text === 'string' && text !== ''
          ? ({ kind: 'header', name: text.toLowerCase() } as const)
          : kind === 'key'
            ? toKeySource(text)
            : undefined
  if (source === undefined) {
    return fail(
      'must be {"json_pointer": "/user/id"}, {"key": true}, {"key": "/id"} or {"header": "name"}, with or without "pattern"',
    )
  }
  const shown = JSON.stringify(value)
  if (pattern === undefined) return ok({ source, pattern: null, text: shown })
  const parsed = typeof pattern === 'string' ? parsePattern(pattern) : fail('has a pattern that is no text')
  return parsed.ok ? ok({ source, pattern: parsed.value, text: shown }) : parsed
}

function toPointerSource(text: string): RecordSource | undefined {
  const pointer = parsePointer(text)
  return pointer && { kind: 'value', pointer }
}

function toKeySource(value: unknown): RecordSource | undefined {
  if (value === true) return { kind: 'key', pointer: null }
  const pointer = typeof value === 'string' ? parsePointer(value) : undefined
  return pointer && { kind: 'key', pointer }
}
