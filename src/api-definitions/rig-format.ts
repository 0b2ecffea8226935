// Parses API definitions in RIG's format (rig-schema.ts), with RIG's validation texts. Beyond RIG: versions work, `auth` may name a
// cookie, `proxy.targets` lists several upstreams, and an endpoint takes the options of route-options.ts.
import { checkRoute } from './validate-route.ts'
import type { PathPattern } from './path-pattern.ts'
import { fromRegex, withPrefix } from './regex-pattern.ts'
import { openProblems, toRequirements } from './token-requirements.ts'
import type { ApiDefinition, Authentication, Problem, Route, DefinitionEnv, Target, Upstream } from './api-route.ts'
import { HEADER_NAME, rigTexts, toHeaderChanges, toPolicy, toProblems, type RouteOptions } from './route-options.ts'
import { rigFormSchema, type Endpoint, type RigForm } from './rig-schema.ts'
import { parsePublishTopic } from './publish-target.ts'
import { parseUpstream } from './upstream.ts'
import { topicOf } from '../core/events/topic-source.ts'
import { fail, ok, type Result } from '../core/result.ts'

export function parseRigForm(
  document: unknown,
  definitionEnv: DefinitionEnv,
): Result<ApiDefinition, readonly Problem[]> {
  const parsed = rigFormSchema.safeParse(document, rigTexts)
  if (!parsed.success) return fail(toProblems(parsed.error, (path) => locate(document, path)))
  const api = parsed.data
  const problems = [...contradictions(api)]
  const upstreams = toUpstreams(api, definitionEnv, problems)
  const routes = Object.entries(api.version_data).flatMap(([version, { endpoints, transform_request_headers }]) =>
    endpoints.flatMap((endpoint) => {
      const headers = endpoint.transform_request_headers ? (transform_request_headers?.add_headers ?? {}) : {}
      return toRoutes(api, version, endpoint, { upstreams, headers }, problems)
    }),
  )
  problems.push(...routes.flatMap((route) => checkRoute(route, definitionEnv)))
  return problems.length > 0 ? fail(problems) : ok({ id: api.id, routes: inOrder(routes) })
}

/** RIG reports problems by `api`, by the API's id, or by API and endpoint. */
function locate(document: unknown, path: readonly PropertyKey[]): string {
  const id = read(document, 'id')
  const apiId = typeof id === 'string' ? id : 'api'
  const [first, version, list, index] = path
  if (first === 'auth' || first === 'auth_type') return apiId
  if (first !== 'version_data' || list !== 'endpoints' || index === undefined) return 'api'
  const endpoint = read(read(read(read(document, 'version_data'), version), 'endpoints'), index)
  const endpointId = read(endpoint, 'id')
  return `${apiId}/${typeof endpointId === 'string' ? endpointId : `endpoint ${Number(index) + 1}`}`
}

function* contradictions({ auth, auth_type, id, version_data, versioned }: RigForm): Generator<Problem> {
  const versions = Object.keys(version_data)
  if (versions.length === 0) {
    yield { where: 'api', field: 'version_data', message: 'must have at least one version, e.g. default' }
  }
  if (!versioned && versions.length > 0 && !versions.includes('default')) {
    yield { where: 'api', field: 'version_data', message: 'must have the version default, or versioned must be true' }
  }
  const uses = { header: auth?.use_header, query: auth?.use_query, cookie: auth?.use_cookie }
  const names = { header: auth?.header_name, query: auth?.query_name, cookie: auth?.cookie_name }
  for (const where of ['header', 'query', 'cookie'] as const) {
    if (uses[where] !== true) continue
    // RIG uses `Authorization` if no header is named.
    if (where !== 'header' && names[where] === '') {
      yield { where: id, field: `${where}_name`, message: 'must have a length of at least 1' }
    }
    const name = names[where] ?? ''
    if (where !== 'query' && name !== '' && !HEADER_NAME.test(name))
      yield { where: id, field: `${where}_name`, message: `must be a ${where} name` }
    if (auth_type !== 'jwt') yield { where: id, field: 'auth_type', message: 'must be one of ["jwt"]' }
  }
  const endpoints = Object.values(version_data).flatMap((version) => version.endpoints)
  for (const { claims, id: endpoint, schema, scopes, secured, target, topic } of endpoints) {
    const where = `${id}/${endpoint}`
    yield* openProblems(where, secured, { claims, scopes })
    if (secured && auth_type !== 'jwt') yield { where: id, field: 'auth_type', message: 'must be one of ["jwt"]' }
    const named = target === undefined || target === 'http' ? ok('') : parsePublishTopic(target, topic ?? '')
    if (!named.ok) yield { where, field: 'topic', message: topic === undefined ? 'must be present' : named.reason }
    if (schema !== undefined && schema !== '' && target === undefined)
      yield { where, field: 'target', message: 'must be present' }
  }
}

/** Drops any path of `target_url` and always adds the port, like RIG. */
function toUpstreams({ proxy }: RigForm, definitionEnv: DefinitionEnv, problems: Problem[]): readonly Upstream[] {
  if (proxy.targets !== undefined) {
    return proxy.targets.flatMap(({ url, weight }) => orProblem(parseUpstream(url, weight, definitionEnv), problems))
  }
  const named = proxy.use_env ? definitionEnv.variable(proxy.target_url) : proxy.target_url
  if (named === undefined) {
    const message = `names the variable ${proxy.target_url}, which is not set`
    problems.push({ where: 'api', field: 'target_url', message })
    return []
  }
  if (named.startsWith('service:')) return orProblem(parseUpstream(named, 1, definitionEnv), problems)
  const withScheme = /^https?:\/\//i.test(named) ? named : `http://${named}`
  if (!URL.canParse(withScheme)) {
    problems.push({ where: 'api', field: 'target_url', message: 'must be a host, or a URL' })
    return []
  }
  const url = new URL(withScheme)
  url.port = String(proxy.port)
  return [{ base: url.origin, weight: 1, service: null }]
}

function orProblem(parsed: Result<Upstream, string>, problems: Problem[]): readonly Upstream[] {
  if (parsed.ok) return [parsed.value]
  problems.push({ where: 'api', field: 'target_url', message: parsed.reason })
  return []
}

interface Inherited {
  readonly upstreams: readonly Upstream[]
  readonly headers: Readonly<Record<string, string>>
}

/** Returns one route; for a versioned API two: by path, `/v2/…`, and by the header `accept-version`. */
function toRoutes(
  api: RigForm,
  version: string,
  endpoint: Endpoint,
  inherited: Inherited,
  problems: Problem[],
): Route[] {
  const where = `${api.id}/${endpoint.id}`
  const pattern = fromRegex(endpoint.path_regex, endpoint.path_replacement ?? null)
  if (!pattern.ok) {
    problems.push({ where, field: 'path_regex', message: pattern.reason })
    return []
  }
  const authentication = endpoint.secured ? toAuthentication(api.auth, endpoint, where, problems) : null
  const route = (at: PathPattern, of: string | null): Route => ({
    api: api.id,
    id: endpoint.id,
    method: endpoint.method.toUpperCase(),
    pattern: at,
    version: of,
    definedIn: api.versioned ? version : null,
    authentication,
    target: toTarget(endpoint, inherited.upstreams),
    responseFrom: endpoint.response_from,
    requestHeaders: toHeaderChanges(inherited.headers),
    responseHeaders: toHeaderChanges(endpoint.response_headers?.set, endpoint.response_headers?.remove),
    policy: toPolicy(endpoint),
    endpoint,
  })
  if (!api.versioned) return version === 'default' ? [route(pattern.value, null)] : []
  if (version === 'default') return [route(pattern.value, null)]
  return [route(withPrefix(pattern.value, version), null), route(pattern.value, version)]
}

/** Routes of a version come before those of any version. */
function inOrder(routes: readonly Route[]): readonly Route[] {
  return [...routes.filter(({ version }) => version !== null), ...routes.filter(({ version }) => version === null)]
}

function toTarget({ event_type, schema = '', target, topic }: Endpoint, upstreams: readonly Upstream[]): Target {
  if (target === undefined || target === 'http') return { kind: 'http', upstreams }
  const published = topicOf({ kind: target, name: topic ?? '' })
  return { kind: 'publish', topic: published, wrapAs: event_type ?? null, schema: schema === '' ? null : schema }
}

/** The header is `Authorization` unless the definition names another one, like in RIG. */
function toAuthentication(
  auth: RigForm['auth'],
  options: RouteOptions,
  where: string,
  problems: Problem[],
): Authentication {
  const isOther = auth?.use_header === true && auth.header_name !== ''
  return {
    header: isOther ? auth.header_name.toLowerCase() : 'authorization',
    query: auth?.use_query === true ? auth.query_name : null,
    cookie: auth?.use_cookie === true ? auth.cookie_name : null,
    ...toRequirements(options, where, problems),
  }
}

function read(value: unknown, key: PropertyKey | undefined): unknown {
  return typeof value === 'object' && value !== null && key !== undefined
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined
}
