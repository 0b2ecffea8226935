// RIG's `path_regex` as a pattern. Expressions run by RE2, whose time is linear in the path whatever the expression; the
// usual ones, whose segments are text or `[^/]+`, need no expression at all. Called for definitions in RIG's format.
import { RE2JS } from 're2js'
import { fail, ok, type Result } from '../core/result.ts'
import type { PathPattern, Segment } from './path-pattern.ts'
import { toLiteral } from './path-pattern.ts'
import { canMatchPath, explainUnreachable } from './regex-reach.ts'
import { canonicalPath } from './request-path.ts'

const MAX_SOURCE_CHARS = 1_000
/** Instructions of RE2: a request takes time by their number times the path's length. `.{1,1000}` alone has 2,000. */
const MAX_PROGRAM_SIZE = 4_000

const ANY_REST = /^\(?\.[*+]\)?$/
const ANY_SEGMENT = /^\(?\[\^\/\][+]\)?$/
/** One segment whose characters the expression checks. */
const WITHIN_SEGMENT = /^\(?(\\[dw]|\[[A-Za-z0-9_-]+\])(\+|\{[1-9]\d*(,\d*)?\})\)?$/
const LITERAL = /^(?:[A-Za-z0-9_~%:@!&=,;'-]|\\[^A-Za-z0-9])*$/
const QUANTIFIED = /^[?*+{]/

/** The expression must match the whole path and ignores case, as in RIG. Fails with what is wrong and what would be right. */
export function fromRegex(source: string, replacement: string | null): Result<PathPattern, string> {
  if (source.length > MAX_SOURCE_CHARS) return fail(`must have at most ${MAX_SOURCE_CHARS} characters`)
  const unsupported = unsupportedPart(source)
  if (unsupported !== undefined) return fail(unsupported)
  const inner = toCanonical(source.replace(/^\^/, '').replace(/(?<!\\)\$$/, ''))
  const { captures, isExact, needsRest, shape } = shapeOf(inner)
  const compiled = isExact ? ok(null) : compile(inner)
  if (!compiled.ok) return compiled
  const isReachable = compiled.value === null ? !shape.some(hasNoPathChars) : canMatchPath(compiled.value)
  if (!isReachable) return fail(`can never match: ${explainUnreachable(inner)}`)
  const parts = replacement === null ? null : parseRigReplacement(replacement)
  const expression = compiled.value
  const groups = expression?.groupCount() ?? captures.length
  const missing = parts?.find((part) => typeof part === 'number' && part > groups)
  if (missing !== undefined) return fail(`path_replacement names group ${missing}, but there are ${groups}`)
  return ok({ source, shape, expression, inner, needsRest, isCaseless: true, captures, replacement: parts })
}

/** Returns the pattern with a prefix such as `/v1`. Its expression compiled without the prefix. */
export function withPrefix(pattern: PathPattern, prefix: string): PathPattern {
  const shape: readonly Segment[] = [toLiteral(prefix), ...pattern.shape]
  const captures = pattern.captures.map((index) => index + 1)
  const source = `/${prefix}${pattern.source}`
  if (pattern.expression === null) return { ...pattern, source, shape, captures }
  const inner = `/${RE2JS.quote(prefix)}(?:${pattern.inner})`
  const compiled = compile(inner)
  return { ...pattern, source, shape, inner, expression: compiled.ok ? compiled.value : pattern.expression }
}

function compile(inner: string): Result<RE2JS, string> {
  try {
    const expression = RE2JS.compile(`(?:${inner})`, RE2JS.CASE_INSENSITIVE)
    if (expression.programSize() <= MAX_PROGRAM_SIZE) return ok(expression)
    return fail(`must be smaller: repeats such as {1,1000} make ${expression.programSize()} steps of it`)
  } catch (error) {
    return fail(`must be a regular expression: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Perl's features that no linear engine has, by name. RE2's own message names everything else that it refuses. */
function unsupportedPart(source: string): string | undefined {
  const plain = source.replaceAll(/\\\\|\[(?:\\.|[^\]\\])*\]/gs, '')
  const lookAround = /\(\?<?[=!]/.exec(plain)?.[0]
  if (lookAround !== undefined) return `must not look ahead or behind: ${lookAround}…) cannot be matched in linear time`
  const reference = /\\[1-9]|\\k[<{']/.exec(plain)?.[0]
  return reference && `must not refer back to a group: ${reference} cannot be matched in linear time`
}

/** Escapes such as `%40` in the one spelling that paths are matched in, outside of classes and before no quantifier. */
function toCanonical(inner: string): string {
  return inner.replaceAll(/\\.|\[(?:\\.|[^\]\\])*\]|%[0-9a-f]{2}(?![?*+{])/gis, (part) => {
    if (!part.startsWith('%')) return part
    const canonical = canonicalPath(part)
    return canonical.length === 1 ? RE2JS.quote(canonical) : canonical
  })
}

interface ExpressionShape {
  readonly shape: readonly Segment[]
  /** The shape alone decides. */
  readonly isExact: boolean
  readonly needsRest: boolean
  readonly captures: readonly number[]
}

const UNKNOWN_SHAPE: ExpressionShape = { shape: ['rest'], isExact: false, needsRest: false, captures: [] }

/** Returns the segments of `/a/([^/]+)` as far as they are known, then the rest. */
function shapeOf(inner: string): ExpressionShape {
  const segments = splitSegments(inner)
  if (segments === undefined) return UNKNOWN_SHAPE
  const shape: Segment[] = []
  const captures: number[] = []
  let isExact = true
  for (const [index, segment] of segments.entries()) {
    if (segment.startsWith('(')) captures.push(index)
    if (ANY_REST.test(segment) && index === segments.length - 1) shape.push('rest')
    else if (LITERAL.test(segment)) shape.push(toLiteral(segment.replaceAll(/\\(.)/gs, '$1')))
    else if (ANY_SEGMENT.test(segment)) shape.push('any')
    else if (WITHIN_SEGMENT.test(segment)) {
      shape.push('any')
      isExact = false
    } else {
      // A quantifier applies to the slash before it, so the previous segment may continue.
      if (QUANTIFIED.test(segment)) shape.pop()
      return { ...UNKNOWN_SHAPE, shape: [...shape, 'rest'] }
    }
  }
  const needsRest = shape.at(-1) === 'rest' && segments.at(-1)?.includes('+') === true
  return { shape, isExact, needsRest, captures }
}

/** A path has these characters only percent-encoded. */
function hasNoPathChars(segment: Segment): boolean {
  return typeof segment === 'object' && /[?#\\]/.test(segment.literal)
}

/** Splits at slashes outside of groups and classes. Returns undefined if the expression is not `/…`, or has alternatives. */
function splitSegments(inner: string): readonly string[] | undefined {
  if (!inner.startsWith('/') && !inner.startsWith(String.raw`\/`)) return undefined
  const segments: string[] = []
  let current = ''
  let depth = 0
  // An escaped slash is a slash.
  for (const [part] of inner.matchAll(/\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^]/gs)) {
    if (part === '(') depth += 1
    else if (part === ')') depth -= 1
    if (part === '|' && depth === 0) return undefined
    if (depth === 0 && (part === '/' || part === String.raw`\/`)) {
      segments.push(current)
      current = ''
    } else current += part
  }
  return [...segments.slice(1), current]
}

/** `\1` to `\9` are captures; `\0` is the whole match. */
function parseRigReplacement(text: string): readonly (string | number)[] {
  const parts = text.split(/(\\\d)/).filter((part) => part !== '')
  return parts.map((part) => (/^\\\d$/.test(part) ? Number(part.slice(1)) : part))
}
