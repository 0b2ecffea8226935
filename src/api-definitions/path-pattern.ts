// Which paths a route takes, and what becomes of them: RIG's regular expressions, or templates such as `/books/{id}`.
// Each pattern also has a shape, the segments that any path it takes must have: the router's index is made of shapes.
import safeRegex from 'safe-regex2'
import { fail, ok, type Result } from '../core/result.ts'
import { plainPath } from './request-path.ts'

/** `any` is one segment of any text; `rest` is any number of segments, none too. */
export type Segment = { readonly literal: string } | 'any' | 'rest'

export interface PathPattern {
  readonly source: string
  /** Anchored. Decides; the shape only says where it is worth asking. */
  readonly regex: RegExp
  readonly shape: readonly Segment[]
  /** The shape says all: what has it, is taken; but for case, and a rest that must not be empty. */
  readonly isExact: boolean
  /** `.+` is one character at least. */
  readonly needsRest: boolean
  readonly isCaseless: boolean
  /** Texts and numbers of groups; null: the path stays as it is. */
  readonly replacement: readonly (string | number)[] | null
}

const MAX_SOURCE_CHARS = 1_000
/** A regular expression with two parts such as `.+` takes time by the square of the path's length: some 60 ms at this one. */
const MAX_WIDE_PARTS = 2
const MAX_REGEX_PATH_CHARS = 4_096
const ANY_REST = /^\(?\.[*+]\)?$/
const ANY_SEGMENT = /^\(?\[\^\/\][+]\)?$/
/** One segment, whatever it is: a superset is good enough. */
const WITHIN_SEGMENT = /^\(?(\\[dw]|\[[A-Za-z0-9_-]+\])(\+|\{[1-9]\d*(,\d*)?\})\)?$/
const LITERAL = /^(?:[A-Za-z0-9_~%:@!&=,;' -]|\\[^A-Za-z0-9])*$/
const QUANTIFIED = /^[?*+{]/
const PARAMETER = /^\{([A-Za-z_]\w*)(\.\.\.)?\}$/

/** RIG's: anchored by itself, without regard to case, on the path as it came (percent-encoded). */
export function fromRegex(source: string, replacement: string | null): Result<PathPattern, string> {
  if (source.length > MAX_SOURCE_CHARS) return fail(`must have at most ${MAX_SOURCE_CHARS} characters`)
  const inner = source.replace(/^\^/, '').replace(/(?<!\\)\$$/, '')
  let regex: RegExp
  try {
    regex = new RegExp(`^(?:${inner})$`, 'i')
  } catch (error) {
    return fail(`must be a regular expression: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (!safeRegex(regex)) return fail('must not nest quantifiers such as (a+)+: one request could take for ever')
  if (countWideParts(inner) > MAX_WIDE_PARTS) {
    return fail(`must have at most ${MAX_WIDE_PARTS} parts such as .+ that slashes can be in: [^/]+ is one segment`)
  }
  const parts = replacement === null ? null : parseRigReplacement(replacement)
  const groups = countGroups(inner)
  const missing = parts?.find((part) => typeof part === 'number' && part > groups)
  if (missing !== undefined) return fail(`path_replacement names group ${missing}, but there are ${groups}`)
  return ok({ source, regex, replacement: parts, isCaseless: true, ...shapeOf(inner) })
}

/** `/books/{id}/{rest...}`: case matters, as in URLs. `to` is a template with the same names. */
export function fromTemplate(source: string, to: string | null): Result<PathPattern, string> {
  if (!source.startsWith('/')) return fail('must begin with "/"')
  const names: string[] = []
  const shape: Segment[] = []
  const texts: string[] = []
  for (const [index, written] of source.slice(1).split('/').entries()) {
    // Paths come percent-encoded.
    const segment = plainPath(written.replaceAll(/[^\u0021-\u007e]+/g, encodeURIComponent))
    const [, name, rest] = PARAMETER.exec(segment) ?? []
    if (name === undefined && /[{}*]/.test(segment)) {
      return fail(`"${segment}" must be text, {name}, or at the end {name...}`)
    }
    if (shape.at(-1) === 'rest') return fail(`{${names.at(-1)}...} must be at the end`)
    if (name !== undefined && names.includes(name)) return fail(`{${name}} must stand once`)
    if (name !== undefined) names.push(name)
    shape.push(rest === undefined ? (name === undefined ? { literal: segment } : 'any') : 'rest')
    texts.push(
      `${index === 0 ? '^/' : '/'}${name === undefined ? escape(segment) : rest === undefined ? '([^/]+)' : '(.*)'}`,
    )
  }
  const replacement = to === null ? ok(null) : parseTemplateReplacement(to, names)
  if (!replacement.ok) return replacement
  const regex = new RegExp(`${texts.join('')}$`)
  return ok({
    source,
    regex,
    shape,
    isExact: true,
    needsRest: false,
    isCaseless: false,
    replacement: replacement.value,
  })
}

/** Undefined: the pattern does not take this path. */
export function applyPattern(pattern: PathPattern, path: string): string | undefined {
  if (isTooLong(pattern, path)) return undefined
  const { regex, replacement } = pattern
  if (replacement === null) return regex.test(path) ? path : undefined
  const groups = regex.exec(path)
  if (groups === null) return undefined
  const replaced = replacement.map((part) => (typeof part === 'string' ? part : (groups[part] ?? ''))).join('')
  return replaced.startsWith('/') ? replaced : `/${replaced}`
}

/** As a service without case would. */
export function takesAnyCase(pattern: PathPattern, path: string): boolean {
  return !isTooLong(pattern, path) && new RegExp(pattern.regex.source, 'i').test(path)
}

function isTooLong({ isExact }: PathPattern, path: string): boolean {
  return !isExact && path.length > MAX_REGEX_PATH_CHARS
}

/** `/v1` before the pattern. */
export function withPrefix(pattern: PathPattern, prefix: string): PathPattern {
  const source = `/${prefix}${pattern.source}`
  const regex = new RegExp(
    `^(?:/${escape(prefix)}(?:${pattern.regex.source.replace(/^\^/, '').replace(/\$$/, '')}))$`,
    'i',
  )
  return { ...pattern, source, regex, shape: [{ literal: prefix }, ...pattern.shape] }
}

/** The segments of `/a/([^/]+)`, as far as they can be told; from there on, the rest. */
function shapeOf(inner: string): Pick<PathPattern, 'shape' | 'isExact' | 'needsRest'> {
  const segments = splitSegments(inner)
  if (segments === undefined) return { shape: ['rest'], isExact: false, needsRest: false }
  const shape: Segment[] = []
  let isExact = true
  for (const [index, segment] of segments.entries()) {
    if (ANY_REST.test(segment) && index === segments.length - 1) shape.push('rest')
    else if (LITERAL.test(segment)) shape.push({ literal: segment.replaceAll('\\', '') })
    else if (ANY_SEGMENT.test(segment)) shape.push('any')
    else if (WITHIN_SEGMENT.test(segment)) {
      shape.push('any')
      isExact = false
    } else {
      // A quantifier belongs to the slash before it, so that what came before may go on.
      if (QUANTIFIED.test(segment)) shape.pop()
      shape.push('rest')
      return { shape, isExact: false, needsRest: false }
    }
  }
  return { shape, isExact, needsRest: shape.at(-1) === 'rest' && segments.at(-1)?.includes('+') === true }
}

/** At slashes outside of groups and classes; undefined if the expression is not `/…`, or has alternatives. */
function splitSegments(inner: string): readonly string[] | undefined {
  if (!inner.startsWith('/')) return undefined
  const segments: string[] = []
  let depth = 0
  let inClass = false
  let from = 1
  for (let at = 1; at < inner.length; at += 1) {
    const char = inner[at]
    if (char === '\\') {
      // An escaped slash is one: as if it were not escaped.
      if (inner[at + 1] === '/' && depth === 0 && !inClass)
        return splitSegments(inner.slice(0, at) + inner.slice(at + 1))
      at += 1
    } else if (inClass) inClass = char !== ']'
    else if (char === '[') inClass = true
    else if (char === '(') depth += 1
    else if (char === ')') depth -= 1
    else if (char === '|' && depth === 0) return undefined
    else if (char === '/' && depth === 0) {
      segments.push(inner.slice(from, at))
      from = at + 1
    }
  }
  return [...segments, inner.slice(from)]
}

/** Quantifiers without a limit, of what a slash can be in: each may begin where another one ends. */
function countWideParts(inner: string): number {
  const quantified = inner.matchAll(/(\\.|\[(?:\\.|[^\]\\])*\]|[^\\[])(?:[*+]|\{\d+,\})/gs)
  return [...quantified].filter(([, what = '']) => what === ')' || new RegExp(`^${what}$`).test('/')).length
}

function countGroups(inner: string): number {
  // With an empty alternative it matches anything: what it answers has a place for every group.
  return (new RegExp(`(?:${inner})|`).exec('')?.length ?? 1) - 1
}

/** `\1` to `\9`; `\0` is all of it. */
function parseRigReplacement(text: string): readonly (string | number)[] {
  const parts = text.split(/(\\\d)/).filter((part) => part !== '')
  return parts.map((part) => (/^\\\d$/.test(part) ? Number(part.slice(1)) : part))
}

function parseTemplateReplacement(
  text: string,
  names: readonly string[],
): Result<readonly (string | number)[], string> {
  const parts: (string | number)[] = []
  for (const part of text.split(/(\{[^}]*\})/)) {
    if (part === '') continue
    if (!part.startsWith('{')) {
      parts.push(part)
      continue
    }
    const name = part.slice(1, -1).replace(/\.\.\.$/, '')
    const index = names.indexOf(name)
    if (index < 0) return fail(`${part} must be one of the path's parameters: ${names.join(', ') || 'it has none'}`)
    parts.push(index + 1)
  }
  return ok(parts)
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}
