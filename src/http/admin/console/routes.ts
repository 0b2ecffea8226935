// For the console. GET /v1/routes lists the routes of the API gateway without possible secrets. POST /v1/routes/test
// returns which route a request would take and why it would be refused. It sends nothing to a service.
import type { Context } from 'hono'
import * as z from 'zod'
import { toRequestPath } from '../../../api-definitions/request-path.ts'
import type { Route } from '../../../api-definitions/api-route.ts'
import type { Router } from '../../../api-definitions/router.ts'
import { toHttp } from '../../../core/errors.ts'
import { parseJson } from '../../../core/json.ts'
import { stringifyScalars } from '../../../core/scalar.ts'
import { decodeUtf8 } from '../../../core/text.ts'
import { errorResponse } from '../../error-response.ts'
import { authorizeRoute } from '../../proxy/authorize-route.ts'
import type { HttpEnv } from '../../worker-context.ts'

const MAX_BODY_BYTES = 65_536
const MAX_LISTED = 1_000

const testBody = z.strictObject({
  method: z.string().regex(/^[A-Za-z]{1,20}$/),
  /** Path and query. */
  path: z.string().startsWith('/').max(4_096),
  headers: z.record(z.string(), z.string()).default({}),
})

const EXPECTED = 'expected {"method": "GET", "path": "/orders/1?all=1", "headers": {"authorization": "Bearer …"}}'

export async function listRoutes(c: Context<HttpEnv>): Promise<Response> {
  const router = await routerOf(c)
  const { routes } = router
  return c.json({ routes: routes.slice(0, MAX_LISTED).map(describeRoute), total: routes.length })
}

export async function testRoute(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = testBody.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) return errorResponse({ kind: 'bad_request', message: EXPECTED })
  const { headers, path } = parsed.data
  const method = parsed.data.method.toUpperCase()
  // Split by hand: a URL object would resolve dot segments, which routing must see.
  const at = path.indexOf('?')
  const [pathname, search] = at === -1 ? [path, ''] : [path.slice(0, at), path.slice(at)]
  const router = await routerOf(c)
  const query = { method, path: toRequestPath(pathname), version: headers['accept-version'] ?? null }
  const found = router.find(query)
  if (found === undefined) {
    const methods = [...new Set(router.routesAt(query.path).map((route) => route.method))]
    const also = methods.length === 0 ? '' : ` At this path there are routes for ${methods.join(', ')}.`
    return c.json({ outcome: 'no_route', text: `No route matches ${method} ${pathname}.${also}` })
  }
  const route = describeRoute(found.route)
  if (router.isAmbiguous(query, found)) {
    return c.json({ outcome: 'refused', status: 400, text: 'A service may read the path as another one.', route })
  }
  const request = new Request(c.req.url, { method: 'GET', headers })
  const authorized = await authorizeRoute(c.var, request, search, found.route.authentication)
  if (!authorized.ok) {
    const { message, status } = toHttp(authorized.reason)
    return c.json({ outcome: 'refused', status, text: message, route })
  }
  const user = authorized.value?.principal.user ?? null
  return c.json({ outcome: 'passes', path: `${found.path}${search}`, user, route, text: textOf(found.route, user) })
}

function textOf({ authentication, policy }: Route, user: string | null): string {
  const token =
    authentication === null ? 'It needs no token.' : `Its token is valid${user === null ? '' : `, of ${user}`}.`
  const limit = policy.rateLimit === null ? '' : ` The rate limit ${policy.rateLimit.binding} is not counted here.`
  return `The request takes this route. ${token}${limit}`
}

async function routerOf(c: Context<HttpEnv>): Promise<Router> {
  const known = c.var.routes.known(Date.now(), (work) => c.executionCtx.waitUntil(work))
  return known ?? c.var.routes.refreshed(Date.now())
}

/** Headers may hold secrets: only their names are shown. */
function describeRoute({ api, authentication, id, method, pattern, policy, responseFrom, target, version }: Route) {
  return {
    api,
    id,
    method,
    pattern: pattern.source,
    version,
    target:
      target.kind === 'publish'
        ? `publishes to ${target.topic}`
        : target.upstreams
            .map(({ base, service }) => (service === null ? withoutUser(base) : `binding ${service}`))
            .join(', '),
    responseFrom,
    authentication:
      authentication === null
        ? null
        : {
            in: [authentication.header, authentication.query, authentication.cookie].filter((place) => place !== null),
            scopes: authentication.scopes,
            claims: authentication.claims.map(
              ({ oneOf, pointer }) => `/${pointer.join('/')}: ${stringifyScalars(oneOf)}`,
            ),
          },
    rateLimit: policy.rateLimit === null ? null : `${policy.rateLimit.binding} by ${policy.rateLimit.by.join(', ')}`,
    cache: policy.cache,
    retries: policy.retries,
    timeoutMs: policy.timeoutMs,
  }
}

/** The URL of a service may have credentials in it. */
function withoutUser(base: string): string {
  const url = new URL(base)
  return `${url.origin}${url.pathname === '/' ? '' : url.pathname}`
}
