// CORS of proxied paths. Where a route has `cors`, or publishes to Kafka, Rigel answers preflights and adds CORS headers;
// elsewhere the service does, by a route for OPTIONS. Called by proxy.ts.
import type { Config } from '../../config/parse-config.ts'
import type { Route } from '../../api-definitions/api-route.ts'
import { MAX_AGE_SECONDS, corsHeaders } from '../cors.ts'

/** Returns a copy, because the response of a `fetch` cannot be changed. */
export function withCors(response: Response, config: Config, request: Request): Response {
  const changed = new Response(response.body, response)
  for (const [name, value] of Object.entries(corsHeaders(config, request))) {
    if (name === 'vary') changed.headers.append(name, value)
    else changed.headers.set(name, value)
  }
  return changed
}

/** Returns undefined if Rigel handles CORS for none of the path's routes. */
export function answerPreflight(config: Config, request: Request, routes: readonly Route[]): Response | undefined {
  const ours = routes.filter(({ policy, target }) => policy.cors || target.kind === 'publish')
  if (ours.length === 0) return undefined
  const asked = request.headers.get('access-control-request-method') ?? 'GET'
  const methods = new Set(
    ours.flatMap(({ method }) => (method === '*' ? [asked] : method === 'GET' ? ['GET', 'HEAD'] : [method])),
  )
  return new Response(null, {
    status: 204,
    headers: {
      ...corsHeaders(config, request),
      'access-control-allow-methods': [...methods].join(', '),
      // `*` covers no `authorization`.
      'access-control-allow-headers':
        request.headers.get('access-control-request-headers') ?? 'content-type, authorization',
      'access-control-max-age': String(MAX_AGE_SECONDS),
    },
  })
}
