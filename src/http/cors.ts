// Cross-origin requests: who may read our answers. CORS is `*` or a list of origins.
//
// With `*`, answers say `*` and never echo an origin: browsers refuse `*` to requests with cookies, so a foreign site
// cannot read a visitor's long-polling session. Echoing any origin would open every cookie session to every site. Who
// wants long-polling by cookie across origins names the origins; without cookies it works with `*`, see longpolling.ts.
import type { Context, Handler } from 'hono'
import type { Config } from '../config/parse-config.ts'
import type { HttpEnv } from './worker-context.ts'

/** `access-control-allow-origin`. A stranger to the list is told its first origin, which is not his. */
export function allowOrigin(config: Config, request: Request): string {
  const origins = allowedOrigins(config)
  const origin = request.headers.get('origin')
  if (origin !== null && origins.includes(origin)) return origin
  return origins[0] ?? '*'
}

export function corsHeaders(config: Config, request: Request): Record<string, string> {
  const origin = allowOrigin(config, request)
  return { 'access-control-allow-origin': origin, ...(namesOrigins(config) ? { vary: 'Origin' } : {}) }
}

/** As `corsHeaders`, for an endpoint with cookies. */
export function credentialedCorsHeaders(config: Config, request: Request): Record<string, string> {
  return { ...corsHeaders(config, request), 'access-control-allow-credentials': 'true' }
}

/** CORS lists origins, so another site's use of cookies is meant. */
export function namesOrigins(config: Config): boolean {
  return !allowedOrigins(config).includes('*')
}

/** Whether cookies of this request may count: no other site made the browser send them. */
export function isTrustedOrigin(config: Config, request: Request): boolean {
  const origin = request.headers.get('origin')
  return origin === null || origin === new URL(request.url).origin || allowedOrigins(config).includes(origin)
}

export interface Preflight {
  readonly methods: string
  readonly headers: string
  readonly withCredentials?: boolean
}

export function preflight({ methods, headers, withCredentials = false }: Preflight): Handler<HttpEnv> {
  return function answerPreflight(c: Context<HttpEnv>) {
    const { config } = c.var
    const cors = withCredentials ? credentialedCorsHeaders(config, c.req.raw) : corsHeaders(config, c.req.raw)
    return new Response(null, {
      status: 204,
      headers: { ...cors, 'access-control-allow-methods': methods, 'access-control-allow-headers': headers },
    })
  }
}

function allowedOrigins(config: Config): readonly string[] {
  return config.cors.split(',').map((origin) => origin.trim())
}
