// Cross-origin requests: which pages may read a response, and whose cookies count. CORS is `*` or a list of origins.
//
// With `*`, responses say `*` and never echo an origin: browsers refuse `*` to requests with cookies, so a foreign site
// cannot read a visitor's long-polling session. Echoing any origin would open every cookie session to every site. To use
// cookies across origins, list the origins in CORS. Without cookies, `*` is enough.
import type { Context, Handler } from 'hono'
import type { Config } from '../config/parse-config.ts'
import { PRODUCED_HEADER } from '../core/as-of/as-of.ts'
import type { HttpEnv } from './worker-context.ts'

type HeaderRecord = Record<string, string>

/** How long browsers may remember a preflight. Chromium's maximum is 7,200. */
export const MAX_AGE_SECONDS = 600

const EXPOSED = `Retry-After, WWW-Authenticate, ${PRODUCED_HEADER}`
const ANY_ORIGIN: HeaderRecord = Object.freeze({
  'access-control-allow-origin': '*',
  'access-control-expose-headers': EXPOSED,
  vary: 'Origin',
})

/** The value of `access-control-allow-origin`. An unlisted origin gets the first listed one, so its browser blocks the response. */
export function allowOrigin(config: Config, request: Request): string {
  if (config.cors === '*') return '*'
  const origins = allowedOrigins(config)
  const origin = request.headers.get('origin')
  if (origin !== null && origins.includes(origin)) return origin
  return origins[0] ?? '*'
}

/** Pages of origins that CORS lists may send credentials: cookies count for them, and some send them with every request. */
export function corsHeaders(config: Config, request: Request): HeaderRecord {
  if (config.cors === '*') return ANY_ORIGIN
  return {
    'access-control-allow-origin': allowOrigin(config, request),
    ...(namesOrigins(config) ? { 'access-control-allow-credentials': 'true' } : {}),
    'access-control-expose-headers': EXPOSED,
    vary: 'Origin',
  }
}

/** Like `corsHeaders`, for long-polling: RIG allows credentials there, also where CORS is `*` and browsers ignore it. */
export function credentialedCorsHeaders(config: Config, request: Request): HeaderRecord {
  return { ...corsHeaders(config, request), 'access-control-allow-credentials': 'true' }
}

/** Whether CORS lists origins. Then the use of cookies by those sites is intended. */
export function namesOrigins(config: Config): boolean {
  return config.cors !== '*' && !allowedOrigins(config).includes('*')
}

/**
 * Whether the cookies of a request may count: false if another site made the browser send them. A request without
 * `Origin` may come from another site too (an image, a link, a WebSocket of an old browser): `Sec-Fetch-Site` says so.
 */
export function isTrustedOrigin(config: Config, request: Request): boolean {
  const origin = request.headers.get('origin')
  if (origin === null) return request.headers.get('sec-fetch-site') !== 'cross-site'
  return origin === new URL(request.url).origin || allowedOrigins(config).includes(origin)
}

export interface Preflight {
  readonly methods: string
  readonly headers: string
  /** Headers whose name begins like this are allowed too. They are echoed by name, because `*` covers not all browsers. */
  readonly headerPrefix?: string
  readonly corsOf?: (config: Config, request: Request) => HeaderRecord
}

export function preflight({ methods, headers, headerPrefix, corsOf = corsHeaders }: Preflight): Handler<HttpEnv> {
  return function answerPreflight(c: Context<HttpEnv>) {
    const asked = headerPrefix === undefined ? [] : requestedHeaders(c.req.raw, headerPrefix)
    return new Response(null, {
      status: 204,
      headers: {
        ...corsOf(c.var.config, c.req.raw),
        'access-control-allow-methods': methods,
        'access-control-allow-headers': [headers, ...asked].join(','),
        'access-control-max-age': String(MAX_AGE_SECONDS),
        vary: 'Origin, Access-Control-Request-Headers',
      },
    })
  }
}

/** Header names only: what comes back from a request must not be able to end a header. */
function requestedHeaders(request: Request, prefix: string): readonly string[] {
  const asked = (request.headers.get('access-control-request-headers') ?? '').toLowerCase().split(',')
  return asked.map((name) => name.trim()).filter((name) => name.startsWith(prefix) && /^[a-z0-9_-]+$/.test(name))
}

function allowedOrigins(config: Config): readonly string[] {
  return config.cors.split(',').map((origin) => origin.trim())
}
