// OPTIONS of a proxied path, and the CORS headers of its answers: where a route says `cors`, or publishes to Kafka as RIG
// does, Rigel answers; else the service does, by a route for OPTIONS.
import type { Config } from '../../config/parse-config.ts'
import type { Route } from '../../api-definitions/api-route.ts'
import { corsHeaders, credentialedCorsHeaders, namesOrigins } from '../cors.ts'

const MAX_AGE_SECONDS = 600

/** With credentials only for origins that the configuration names. */
export function proxyCorsHeaders(config: Config, request: Request): Record<string, string> {
  return namesOrigins(config) ? credentialedCorsHeaders(config, request) : corsHeaders(config, request)
}

export function setCors(response: Response, config: Config, request: Request): void {
  for (const [name, value] of Object.entries(proxyCorsHeaders(config, request))) {
    if (name === 'vary') response.headers.append(name, value)
    else response.headers.set(name, value)
  }
}

/** Undefined: none of the path's routes has its preflights answered here. */
export function answerPreflight(config: Config, request: Request, routes: readonly Route[]): Response | undefined {
  const ours = routes.filter(({ policy, target }) => policy.cors || target.kind === 'kafka')
  if (ours.length === 0) return undefined
  const asked = request.headers.get('access-control-request-method') ?? 'GET'
  const methods = new Set(
    ours.flatMap(({ method }) => (method === '*' ? [asked] : method === 'GET' ? ['GET', 'HEAD'] : [method])),
  )
  return new Response(null, {
    status: 204,
    headers: {
      ...proxyCorsHeaders(config, request),
      'access-control-allow-methods': [...methods].join(', '),
      // `*` covers no `authorization`.
      'access-control-allow-headers':
        request.headers.get('access-control-request-headers') ?? 'content-type, authorization',
      'access-control-max-age': String(MAX_AGE_SECONDS),
    },
  })
}
