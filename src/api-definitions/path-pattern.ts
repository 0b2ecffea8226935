// Which paths a route matches, and how a matched path is rewritten. A pattern is a list of segments (its shape); only where
// the shape cannot decide, a linear regular expression does. Matching takes time linear in the path. Used by the router.
import type { RE2JS } from 're2js'
import { fail, ok, type Result } from '../core/result.ts'
import { canonicalPath, foldCase, type RequestPath } from './request-path.ts'

/** `any` is one segment; `rest` is any number of segments, also none. */
export type Segment = { readonly literal: string; readonly folded: string } | 'any' | 'rest'

export interface PathPattern {
  /** The text of the definition. */
  readonly source: string
  /** The segments that each matching path must have. The router's index is made of shapes. */
  readonly shape: readonly Segment[]
  /** Decides where the shape alone cannot. Null: the shape decides, and captures are whole segments. */
  readonly expression: RE2JS | null
  /** The expression without anchors, from which one with a prefix is made. */
  readonly inner: string
  /** The rest must not be empty, as `.+` demands. */
  readonly needsRest: boolean
  readonly isCaseless: boolean
  /** Positions in the shape of the captures 1, 2, …; only for patterns without an expression. */
  readonly captures: readonly number[]
  /** Texts and numbers of captures; null: the path stays as the client wrote it. */
  readonly replacement: readonly (string | number)[] | null
}

const PARAMETER = /^\{([A-Za-z_]\w*)(\.\.\.)?\}$/

/** `/books/{id}/{rest...}`: case matters, as in URLs. `to` is a template with the same names. */
export function fromTemplate(source: string, to: string | null): Result<PathPattern, string> {
  if (!source.startsWith('/')) return fail('must begin with "/"')
  if (/[?#]/.test(source)) return fail('must have no query and no fragment')
  if (/\/\.\.?(?:\/|$)/.test(source)) return fail('must have no segment "." or "..": clients resolve them')
  const names: string[] = []
  const shape: Segment[] = []
  const captures: number[] = []
  for (const written of source.slice(1).split('/')) {
    if (shape.at(-1) === 'rest') return fail(`{${names.at(-1)}...} must be at the end`)
    const [, name, rest] = PARAMETER.exec(written) ?? []
    if (name === undefined) {
      if (/[{}*]/.test(written)) return fail(`"${written}" must be text, {name}, or at the end {name...}`)
      shape.push(toLiteral(written))
      continue
    }
    if (names.includes(name)) return fail(`{${name}} must occur once`)
    names.push(name)
    captures.push(shape.length)
    shape.push(rest === undefined ? 'any' : 'rest')
  }
  const replacement = to === null ? ok(null) : parseTemplateReplacement(to, names)
  if (!replacement.ok) return replacement
  return ok({
    source,
    shape,
    expression: null,
    inner: '',
    needsRest: false,
    isCaseless: false,
    captures,
    replacement: replacement.value,
  })
}

export function toLiteral(text: string): Exclude<Segment, string> {
  // Paths arrive percent-encoded; definitions may be written as people write.
  const literal = canonicalPath(text.replaceAll(/[^\u0021-\u007e]+/g, (odd) => encodeURIComponent(odd.toWellFormed())))
  return { literal, folded: foldCase(literal) }
}

/** Returns whether the pattern matches. `ignoreCase` matches the way a service does that ignores case. */
export function matchesPattern(pattern: PathPattern, path: RequestPath, ignoreCase = false): boolean {
  if (pattern.expression !== null) return pattern.expression.testExact(path.canonical)
  const { needsRest, shape } = pattern
  const isFolded = ignoreCase || pattern.isCaseless
  const segments = isFolded ? path.folded : path.segments
  const fixed = shape.at(-1) === 'rest' ? shape.length - 1 : shape.length
  if (fixed === shape.length ? segments.length !== fixed : segments.length <= fixed) return false
  for (let index = 0; index < fixed; index += 1) {
    const expected = shape[index]
    const segment = segments[index]
    if (typeof expected === 'string' ? segment === '' : segment !== (isFolded ? expected?.folded : expected?.literal)) {
      return false
    }
  }
  return !needsRest || segments.length > fixed + 1 || segments[fixed] !== ''
}

/** Returns the path of the request to the service. Captured parts keep the client's spelling. The pattern must match. */
export function rewritePath(pattern: PathPattern, path: RequestPath): string {
  const { replacement } = pattern
  if (replacement === null) return path.raw
  const captures = pattern.expression === null ? segmentsOf(pattern, path) : groupsOf(pattern.expression, path)
  const rewritten = replacement.map((part) => (typeof part === 'string' ? part : (captures[part] ?? ''))).join('')
  return rewritten.startsWith('/') ? rewritten : `/${rewritten}`
}

/** Capture 0 is the whole path, as in regular expressions. */
function segmentsOf({ captures, shape }: PathPattern, { raw }: RequestPath): readonly string[] {
  // A slash is never encoded or decoded, so the client's segments are those of the canonical path.
  const segments = raw.slice(1).split('/')
  const textAt = (index: number) =>
    shape[index] === 'rest' ? segments.slice(index).join('/') : (segments[index] ?? '')
  return [raw, ...captures.map(textAt)]
}

function groupsOf(expression: RE2JS, { canonical, raw }: RequestPath): readonly string[] {
  const matcher = expression.matcher(canonical)
  if (!matcher.matches()) return []
  const offsets = raw === canonical ? null : rawOffsets(raw)
  return Array.from({ length: expression.groupCount() + 1 }, (_, group) => {
    const [start, end] = [matcher.start(group), matcher.end(group)]
    if (start < 0) return ''
    return offsets === null ? canonical.slice(start, end) : raw.slice(offsets[start], offsets[end])
  })
}

/** Returns the offset in the client's spelling of each character of the canonical path, and the end of the last one. */
function rawOffsets(raw: string): readonly number[] {
  const offsets: number[] = []
  for (const { 0: text, index } of raw.matchAll(/%[0-9a-f]{2}|[^]/gi)) {
    const { length } = canonicalPath(text)
    for (let n = 0; n < length; n += 1) offsets.push(index + Math.min(n, text.length - 1))
  }
  return [...offsets, raw.length]
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
