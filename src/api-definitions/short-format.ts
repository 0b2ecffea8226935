// Parses API definitions in the short format: one line a route, `"GET /books/{id}": {}`. Options beside `routes` are the
// defaults of all routes. Called by parse-definitions.ts.
import * as z from 'zod'
import { isObject } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { checkRoute } from './validate-route.ts'
import { fromTemplate } from './path-pattern.ts'
import { idOf } from './api-record.ts'
import { openProblems, toRequirements } from './token-requirements.ts'
import type { ApiDefinition, Authentication, Problem, Route, DefinitionEnv, Target, Upstream } from './api-route.ts'
import {
  cookieNameSchema,
  headerNameSchema,
  headersSchema,
  rigTexts,
  routeOptions,
  textSchema,
  toHeaderChanges,
  toPolicy,
  toProblems,
  unicodeSchema,
} from './route-options.ts'
import { parsePublishTopic, splitPublishTarget } from './publish-target.ts'
import { parseUpstream } from './upstream.ts'

const targetSchema = z.union([
  textSchema,
  z.array(z.strictObject({ url: textSchema, weight: z.int().min(1).max(1_000).default(1) })).min(1),
])

const options = {
  ...routeOptions,
  target: targetSchema
    .optional()
    .describe(
      'https://host/base, service:BINDING, env:VARIABLE, kafka:topic, nats:subject, kinesis:stream, or a list of {url, weight}',
    ),
  secured: z
    .union([
      z.boolean(),
      z.strictObject({
        header: headerNameSchema.optional(),
        query: textSchema.optional(),
        cookie: cookieNameSchema.optional(),
      }),
    ])
    .optional()
    .describe('true: a bearer token is required; or where else it may be'),
  schema: textSchema
    .optional()
    .describe("The schema registry's subject, for data of kafka:topic with KAFKA_SERIALIZER=avro"),
  response_from: z
    .enum(['http', 'kafka', 'http_async', 'nats'])
    .optional()
    .describe(
      'Where the answer comes from: the upstream, Kafka, POST /_rig/api/v3/responses, or the reply to a request of NATS',
    ),
  request_headers: headersSchema.optional().describe('Set on the way to the upstream'),
}

const routeSchema = z.union([
  z.string().describe('The path that the upstream is asked for: /v1/books/{id}'),
  z.strictObject({ ...options, path: z.string().optional().describe('As the string form') }),
])

export const shortFormSchema = z.strictObject({
  id: textSchema,
  name: z.string().optional(),
  active: z.boolean().default(true),
  ...options,
  routes: z.record(unicodeSchema, routeSchema).describe('"METHOD /path/{name}" → options, or the path to ask for'),
})

type ShortForm = z.infer<typeof shortFormSchema>
type Options = Omit<ShortForm, 'id' | 'routes' | 'active' | 'name'>

const LINE = /^([A-Za-z]+|\*)\s+(\/\S*)$/
const DEFAULT_EVENT_TYPE = 'com.rig.proxy.request'

/** Also where `routes` is misspelt: by RIG's format, every other field would be a mistake too. */
export function isShortForm(document: unknown): boolean {
  if (!isObject(document)) return false
  const isRigs = 'version_data' in document || 'proxy' in document
  return 'routes' in document || (!isRigs && ('target' in document || 'route' in document))
}

export function parseShortForm(
  document: unknown,
  definitionEnv: DefinitionEnv,
): Result<ApiDefinition, readonly Problem[]> {
  const parsed = shortFormSchema.safeParse(document, rigTexts)
  if (!parsed.success) {
    return fail(
      toProblems(parsed.error, ([first, line]) =>
        first === 'routes' && line ? `${idOf(document) ?? 'api'}/${String(line)}` : 'api',
      ),
    )
  }
  const { active: _, id, name: __, routes: lines, ...shared } = parsed.data
  const problems: Problem[] = []
  const routes = Object.entries(lines).flatMap(([line, value]) => {
    const { path = null, ...own } = typeof value === 'string' ? { path: value } : value
    problems.push(...contradictions(`${id}/${line}`, own, shared))
    return toRoute(id, line, path, { ...shared, ...own }, definitionEnv, problems)
  })
  problems.push(...routes.flatMap((route) => checkRoute(route, definitionEnv)))
  return problems.length > 0 ? fail(problems) : ok({ id, routes })
}

/** A route with `secured: false` of its own is open, whatever the defaults are. */
function contradictions(where: string, own: Options, shared: Options): readonly Problem[] {
  const { claims, scopes, secured } = own.secured === false ? own : { ...shared, ...own }
  return openProblems(where, secured ?? false, { claims, scopes })
}

function toRoute(
  api: string,
  line: string,
  path: string | null,
  route: Options,
  definitionEnv: DefinitionEnv,
  problems: Problem[],
): readonly Route[] {
  const where = `${api}/${line}`
  const refuse = (field: string, message: string): readonly Route[] => {
    problems.push({ where, field, message })
    return []
  }
  const [, method, template] = LINE.exec(line) ?? []
  if (method === undefined || template === undefined)
    return refuse('routes', 'must be a line such as "GET /books/{id}"')
  const pattern = fromTemplate(template, path)
  if (!pattern.ok) return refuse('path', pattern.reason)
  const target = toTarget(route, definitionEnv)
  if (!target.ok) return refuse('target', target.reason)
  return [
    {
      api,
      id: line,
      method: method.toUpperCase(),
      pattern: pattern.value,
      version: null,
      definedIn: null,
      authentication: toAuthentication(route, where, problems),
      target: target.value,
      responseFrom: route.response_from ?? 'http',
      requestHeaders: toHeaderChanges(route.request_headers),
      responseHeaders: toHeaderChanges(route.response_headers?.set, route.response_headers?.remove),
      policy: toPolicy(route),
      endpoint: toEndpoint(line, method, template, path, route),
    },
  ]
}

/** Returns the endpoint with RIG's field names. */
function toEndpoint(
  line: string,
  method: string,
  template: string,
  path: string | null,
  { secured = false, ...route }: Options,
): Readonly<Record<string, unknown>> {
  const rewritten = path === null ? {} : { path_replacement: path }
  const endpoint = { id: line, method: method.toUpperCase(), path_regex: template, ...rewritten }
  const plain = Object.entries(route).filter(([name]) => name !== 'request_headers' && name !== 'response_headers')
  return { ...endpoint, ...Object.fromEntries(plain), secured: secured !== false }
}

function toTarget({ event_type, schema, target }: Options, definitionEnv: DefinitionEnv): Result<Target, string> {
  if (target === undefined) return fail('must be present, here or beside routes')
  const published = typeof target === 'string' ? splitPublishTarget(target) : undefined
  if (published !== undefined) {
    const topic = parsePublishTopic(published.kind, published.name)
    if (!topic.ok)
      return fail(`must name a topic, as in ${published.kind}:orders: the part after the colon ${topic.reason}`)
    return ok({ kind: 'publish', topic: topic.value, wrapAs: event_type ?? DEFAULT_EVENT_TYPE, schema: schema ?? null })
  }
  const upstreams: Upstream[] = []
  for (const { url, weight } of typeof target === 'string' ? [{ url: target, weight: 1 }] : target) {
    const upstream = parseUpstream(url, weight, definitionEnv)
    if (!upstream.ok) return upstream
    upstreams.push(upstream.value)
  }
  return ok({ kind: 'http', upstreams })
}

function toAuthentication(route: Options, where: string, problems: Problem[]): Authentication | null {
  const { secured = false } = route
  if (secured === false) return null
  const places = secured === true ? { header: 'authorization' } : secured
  return {
    header: places.header?.toLowerCase() ?? null,
    query: places.query ?? null,
    cookie: places.cookie ?? null,
    ...toRequirements(route, where, problems),
  }
}
