// The zod schemas that both formats of API definitions share: the options of a route, and the texts of validation errors.
// The JSON Schema for editors is generated from the same schemas.
import { type ExactNumber } from '../core/exact-number.ts'
import { numberText } from '../core/json.ts'
import * as z from 'zod'
import type { HeaderChanges, Policy, Problem, RateLimit } from './api-route.ts'

/** An id with half of a surrogate pair could be in no URL, so its definition could not be changed, nor its responses cached. */
const unicode = z.string().refine((value) => value.isWellFormed(), 'must be Unicode, without half a surrogate pair')
const text = unicode.min(1)
/** Names of cookies have the same characters (RFC 6265, section 4.1.1). */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerName = z.string().regex(HEADER_NAME, 'must be a header name')
const cookieName = z.string().regex(HEADER_NAME, 'must be a cookie name')
const headerValue = z.string().regex(/^[\t\u0020-\u007e\u0080-\u00ff]*$/, 'must be a header value: one line')
const headers = z.record(headerName, headerValue)
/** Any JSON number as core/json.ts parses it: a double, or the digits of a number that a double does not hold. */
const number = z.custom<number | ExactNumber>((value) => numberText(value) !== undefined, 'must be a number')
// oxlint-disable-next-line no-underscore-dangle -- zod's own hook for the JSON Schema of a custom type
number._zod.toJSONSchema = () => ({ type: 'number' })

const scalar = z.union([z.string(), number, z.boolean()])

export const METHOD = /^([A-Za-z]+|\*)$/

/** Options of Rigel; RIG has none of them. */
export const routeOptions = {
  scopes: z.array(text).optional().describe('Scopes the token must have: all of them'),
  claims: z
    .record(text, z.union([scalar, z.array(scalar).min(1)]))
    .optional()
    .describe('JSON pointer into the claims → the value, or values, that are allowed'),
  timeout_ms: z.int().min(1).max(600_000).optional().describe("Until the upstream's response begins"),
  retries: z.int().min(0).max(5).optional().describe('Of idempotent requests without a body; 1 by default'),
  circuit_breaker: z
    .union([
      z.literal(false),
      z.strictObject({
        failures: z.int().min(1).max(1_000),
        open_ms: z.int().min(100).max(600_000),
        health_check: z
          .string()
          .regex(/^\/\S*$/, 'must be a path such as "/health"')
          .optional(),
      }),
    ])
    .optional()
    .describe(
      'Failures to reach an upstream, in a row, that take it out for open_ms, until health_check or a request succeeds',
    ),
  max_body_bytes: z.int().min(0).optional().describe('Larger bodies of requests answer 413'),
  host: z
    .string()
    .regex(/^[A-Za-z0-9.-]+(:\d+)?$/, 'must be "target", "client", or the name of a host')
    .optional()
    .describe('"target" (default), a name of the Worker\'s zone, or for service bindings "client"'),
  cors: z.boolean().optional().describe('Answer preflights, and add CORS headers, by the variable CORS'),
  cache: z.boolean().optional().describe("Keep what the upstream's cache-control allows in Cloudflare's cache"),
  rate_limit: z
    .strictObject({
      binding: text.optional().describe('A ratelimits binding; PROXY_RATE_LIMIT by default'),
      by: z
        .array(z.enum(['address', 'user', 'route']))
        .min(1)
        .optional()
        .describe('Each has a count of its own; ["address"] by default'),
    })
    .optional()
    .describe('429 beyond it'),
  forward_claims: z
    .enum(['none', 'plain', 'signed'])
    .optional()
    .describe(
      'The verified claims for the upstream: as headers x-rigel-user, -session, -claims; or as the token x-rigel-jwt',
    ),
  rewrite_location: z
    .boolean()
    .optional()
    .describe("Rewrite Location headers with the service's own address to the address that the client asked"),
  client_headers: z
    .array(headerName)
    .optional()
    .describe('Headers that say who asks, such as x-user, which clients may send all the same'),
  response_headers: z
    .strictObject({ set: headers.optional(), remove: z.array(headerName).optional() })
    .optional()
    .describe('Changed on the way back'),
  event_type: text
    .optional()
    .describe('Of the event that a body is wrapped in which is none (target kafka, nats, kinesis)'),
}

const optionsSchema = z.object(routeOptions)
export type RouteOptions = z.infer<typeof optionsSchema>
export {
  headers as headersSchema,
  cookieName as cookieNameSchema,
  headerName as headerNameSchema,
  text as textSchema,
  unicode as unicodeSchema,
}

const DEFAULT_BREAKER = { failures: 5, openMs: 5_000, healthCheck: null }
const DEFAULT_RATE_LIMIT = 'PROXY_RATE_LIMIT'

export function toPolicy(options: RouteOptions): Policy {
  const { circuit_breaker: breaker, host = 'target' } = options
  return {
    timeoutMs: options.timeout_ms ?? null,
    retries: options.retries ?? 1,
    breaker:
      breaker === false
        ? null
        : breaker === undefined
          ? DEFAULT_BREAKER
          : { failures: breaker.failures, openMs: breaker.open_ms, healthCheck: breaker.health_check ?? null },
    maxBodyBytes: options.max_body_bytes ?? null,
    host: host === 'target' || host === 'client' ? host : { name: host },
    cors: options.cors ?? false,
    cache: options.cache ?? false,
    rewriteLocation: options.rewrite_location ?? false,
    rateLimit: options.rate_limit === undefined ? null : toRateLimit(options.rate_limit),
    forwardClaims: options.forward_claims ?? 'none',
    clientHeaders: (options.client_headers ?? []).map((name) => name.toLowerCase()),
  }
}

export function toHeaderChanges(
  set: Readonly<Record<string, string>> = {},
  remove: readonly string[] = [],
): HeaderChanges {
  const lower = Object.entries(set).map(([name, value]) => [name.toLowerCase(), value] as const)
  return { set: lower, remove: remove.map((name) => name.toLowerCase()) }
}

/** RIG's texts for zod's issues. */
export const rigTexts = {
  error: (issue: z.core.$ZodRawIssue): string | undefined => {
    switch (issue.code) {
      case 'invalid_type':
        return issue.input === undefined ? 'must be present' : `must be ${typeName(issue.expected)}`
      case 'too_small':
        return isSized(issue.origin)
          ? `must have a length of at least ${issue.minimum}`
          : `must be at least ${issue.minimum}`
      case 'too_big':
        return isSized(issue.origin)
          ? `must have a length of at most ${issue.maximum}`
          : `must be at most ${issue.maximum}`
      case 'invalid_value':
        return `must be one of ${JSON.stringify(issue.values)}`
      default:
        return undefined
    }
  },
}

/** `locate` turns a path in the document into RIG's `where`. */
export function toProblems(error: z.ZodError, locate: (path: readonly PropertyKey[]) => string): readonly Problem[] {
  return error.issues.flatMap(plainIssues).flatMap((issue): Problem[] => {
    const where = locate(issue.path)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const field = fieldOf([...issue.path, key])
        return { where, field, message: `there is no such field${suggestionFor(key)}` }
      })
    }
    const field = fieldOf(issue.path)
    const [cause = issue] = issue.code === 'invalid_key' ? issue.issues : []
    return [{ where, field, message: cause.message }]
  })
}

/** Options that have fields of their own, or names that people choose. */
const NESTED = new Set(
  'claims secured circuit_breaker rate_limit request_headers response_headers add_headers'.split(' '),
)

/** Returns the name of a field, with that of the option that it is in, such as `circuit_breaker.failures`. */
function fieldOf(path: readonly PropertyKey[]): string {
  const names = path.filter((key) => typeof key === 'string')
  const option = names.findIndex((name) => NESTED.has(name))
  return (option < 0 ? names.at(-1) : names.slice(option).join('.')) ?? 'api'
}

/** Fields of both formats, for suggestions. */
const FIELDS = [
  ...Object.keys(routeOptions),
  ...'id name active target secured schema response_from request_headers routes path method path_regex'.split(' '),
  ...'path_replacement transform_request_headers topic auth_type auth versioned version_data proxy target_url'.split(
    ' ',
  ),
  ...'port use_env targets url weight endpoints add_headers'.split(' '),
]

/** Finds the known field for a misspelt one (`secure` → `secured`): one or two letters are missing, added or swapped. */
function suggestionFor(field: string): string {
  const letters = (name: string) =>
    name
      .toLowerCase()
      .replaceAll(/[^a-z]/g, '')
      .split('')
      .toSorted()
      .join('')
  const isNear = (name: string) => {
    const [a, b] = [letters(field), letters(name)]
    const [shorter, longer] = a.length < b.length ? [a, b] : [b, a]
    let left = 0
    for (const letter of longer.split('')) if (letter === shorter[left]) left += 1
    return longer.length - shorter.length <= 2 && left >= shorter.length - 1 && shorter.length > 2
  }
  // A field of the other format, or of another place, is no suggestion for itself.
  const others = FIELDS.filter((name) => name !== field)
  const near = others.find((name) => name.startsWith(field.toLowerCase()) && field.length > 2) ?? others.find(isNear)
  return near === undefined ? '' : `: did you mean "${near}"?`
}

/** Returns the issues of the alternative of a union that was meant: the one whose type fits. If none fits, one issue. */
function plainIssues(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const alternatives = issue.errors.map((issues) => issues.flatMap(plainIssues))
  const meant = alternatives.find((issues) => issues.every(({ code, path }) => path.length > 0 || !isOfType(code)))
  if (meant !== undefined) return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
  const texts = alternatives.flat().map(({ message }) => message.replace(/^must be /, ''))
  return [{ ...issue, message: `must be ${[...new Set(texts)].join(', or ')}` }]
}

function isOfType(code: z.core.$ZodIssue['code']): boolean {
  return code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union' || code === 'custom'
}

function isSized(origin: string): boolean {
  return origin === 'string' || origin === 'array'
}

function toRateLimit({ binding, by }: NonNullable<RouteOptions['rate_limit']>): RateLimit {
  return { binding: binding ?? DEFAULT_RATE_LIMIT, by: by ?? ['address'] }
}

function typeName(expected: string): string {
  if (expected === 'array') return 'list'
  if (expected === 'int' || expected === 'number') return 'integer'
  return expected === 'record' ? 'object' : expected
}
