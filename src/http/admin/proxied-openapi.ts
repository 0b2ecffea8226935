// GET /_rig/api/proxied-openapi.json: the routes of all active API definitions as one OpenAPI document, for tools and readers
// of the services' APIs. Called by the internal API.
import type { ApiDefinition, Route } from '../../api-definitions/api-route.ts'

type OpenApi = Readonly<Record<string, unknown>>

const ANY = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options']

/** A route whose path is a regular expression has no path in OpenAPI: `x-rigel-unmapped` lists it. */
export function proxiedOpenApi(definitions: readonly ApiDefinition[]): OpenApi {
  const paths: Record<string, Record<string, unknown>> = {}
  const unmapped: string[] = []
  for (const route of definitions.flatMap(({ routes }) => routes)) {
    const path = toPath(route)
    if (path === undefined) {
      unmapped.push(`${route.api}/${route.id}: ${route.method} ${route.pattern.source}`)
      continue
    }
    const item = (paths[path.text] ??= {})
    const methods = route.method === '*' ? ANY : [route.method.toLowerCase()]
    // The first route that matches wins.
    for (const method of methods) item[method] ??= toOperation(route, method, path.parameters)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Proxied APIs', version: '1', description: 'Made of the API definitions that are active.' },
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    ...(unmapped.length === 0 ? {} : { 'x-rigel-unmapped': unmapped }),
  }
}

function toPath({ pattern }: Route): { readonly text: string; readonly parameters: readonly string[] } | undefined {
  if (pattern.expression !== null) return undefined
  // A template has names for its parameters; an expression does not.
  const written = pattern.source.split('/').slice(1)
  const parameters: string[] = []
  const segments = pattern.shape.map((segment, index) => {
    if (typeof segment === 'object') return segment.literal
    const name = /^\{([A-Za-z_]\w*)/.exec(written[index] ?? '')?.[1] ?? `${segment}${index + 1}`
    parameters.push(name)
    return `{${name}}`
  })
  return { text: `/${segments.join('/')}`, parameters }
}

function toOperation(route: Route, method: string, parameters: readonly string[]): OpenApi {
  const { api, authentication, id, target } = route
  return {
    operationId: `${api}/${id}/${method}`,
    tags: [api],
    parameters: parameters.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...(authentication === null ? {} : { security: [{ token: authentication.scopes }] }),
    responses:
      target.kind === 'publish'
        ? { '202': { description: 'Accepted' } }
        : { default: { description: "The service's response" } },
  }
}
