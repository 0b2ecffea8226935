// Converts an OpenAPI 3.0 or 3.1 document into an API definition (short format): paths, methods, servers, security and body
// limits. What cannot be mapped is listed, never dropped silently. Pure; called by `npm run import` and POST /v3/apis/import.
import { isObject, type JsonObject } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'

export interface ImportOptions {
  /** The definition's id. Null: it is made from the document's title. */
  readonly id: string | null
  /** The target of requests. Null: the document's first server. */
  readonly target: string | null
}

export interface ImportedApi {
  readonly definition: JsonObject
  /** One line for each part of the document that the definition does not have. */
  readonly unmapped: readonly string[]
}

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const
const PARAMETER = /^\{([^{}]+)\}$/

export function importOpenApi(document: unknown, { id, target }: ImportOptions): Result<ImportedApi, string> {
  if (!isObject(document) || !/^3\.[01]\b/.test(String(document['openapi']))) {
    return fail('must be an OpenAPI document of version 3.0 or 3.1')
  }
  const unmapped: string[] = []
  const title = textOf(objectOf(document['info'])['title']) ?? 'imported'
  const server = serverOf(document, 'the document', unmapped)
  const base = target ?? server
  if (base === undefined) return fail('has no server with an absolute URL: give the target')
  const found = Object.entries(objectOf(document['paths'])).flatMap(([path, item]) =>
    routesOf(document, path, item, unmapped),
  )
  if (found.length === 0) return fail('has no path that can be mapped')
  for (const part of ['webhooks', 'callbacks'])
    if (part in document) unmapped.push(`${part}: Rigel has no routes for them`)
  const routes = found.toSorted((a, b) => compareTemplates(a.template, b.template))
  const definition = {
    id: id ?? toId(title),
    name: title,
    target: base,
    routes: Object.fromEntries(routes.map(({ method, template, options }) => [`${method} ${template}`, options])),
  }
  return ok({ definition, unmapped })
}

interface ImportedRoute {
  readonly method: string
  readonly template: string
  readonly options: JsonObject
}

function routesOf(document: JsonObject, path: string, written: unknown, unmapped: string[]): readonly ImportedRoute[] {
  const item = resolved(document, written)
  const template = toTemplate(path)
  if (item === undefined || template === undefined) {
    const why = item === undefined ? 'its $ref is not in the document' : 'a segment is partly a parameter'
    unmapped.push(`${path}: ${why}`)
    return []
  }
  if ('trace' in item) unmapped.push(`TRACE ${path}: a Worker cannot send it`)
  return METHODS.flatMap((method): readonly ImportedRoute[] => {
    const operation = resolved(document, item[method])
    if (operation === undefined) return []
    const where = `${method.toUpperCase()} ${path}`
    if ('callbacks' in operation) unmapped.push(`${where}: callbacks are not routed`)
    const server = serverOf('servers' in operation ? operation : item, where, unmapped)
    const options = {
      ...(server === undefined ? {} : { target: server }),
      ...securityOf(document, operation, where, unmapped),
      ...bodyLimitOf(document, operation),
    }
    return [{ method: method.toUpperCase(), template, options }]
  })
}

/** `{book-id}` becomes `{book_id}`. Returns undefined if only part of a segment is a parameter: templates cannot express it. */
function toTemplate(path: string): string | undefined {
  const segments = path.split('/').map((segment) => {
    const name = PARAMETER.exec(segment)?.[1]
    if (name !== undefined) return `{${name.replaceAll(/\W/g, '_').replace(/^(?=\d)/, '_')}}`
    return /[{}]/.test(segment) ? undefined : segment
  })
  return path.startsWith('/') && !segments.includes(undefined) ? segments.join('/') : undefined
}

/** A route with text in a segment comes before one with a parameter there: OpenAPI matches concrete paths first. */
function compareTemplates(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const [isA, isB] = [left[index]?.startsWith('{') === true, right[index]?.startsWith('{') === true]
    if (isA !== isB) return isA ? 1 : -1
  }
  return 0
}

/** Returns the first server with an absolute URL, its variables replaced by their defaults. */
function serverOf(holder: JsonObject, where: string, unmapped: string[]): string | undefined {
  const servers = Array.isArray(holder['servers']) ? holder['servers'].map(objectOf) : []
  const urls = servers.map(({ url, variables }) =>
    String(url).replaceAll(
      /\{([^}]*)\}/g,
      (_text, name: string) => textOf(objectOf(objectOf(variables)[name])['default']) ?? '',
    ),
  )
  const first = urls.find((url) => /^https?:\/\//.test(url) && URL.canParse(url))
  for (const url of urls) if (url !== first) unmapped.push(`${where}: the server ${url} is not used`)
  return first?.replace(/\/+$/, '')
}

/** Never leaves a route open that the document secures: what cannot be mapped needs a bearer token, and is listed. */
function securityOf(document: JsonObject, operation: JsonObject, where: string, unmapped: string[]): JsonObject {
  const asked = operation['security'] ?? document['security']
  const alternatives = Array.isArray(asked) ? asked.map(objectOf) : []
  const needed = alternatives.filter((one) => Object.keys(one).length > 0)
  if (needed.length === 0) return {}
  if (needed.length < alternatives.length) unmapped.push(`${where}: security is optional there, and required here`)
  if (needed.length > 1) unmapped.push(`${where}: only the first of ${needed.length} alternative securities is used`)
  const schemes = objectOf(objectOf(document['components'])['securitySchemes'])
  const scopes = Object.entries(needed[0] ?? {}).flatMap(([name, names]) => {
    const scheme = resolved(document, schemes[name]) ?? {}
    const isBearer = scheme['type'] === 'http' && String(scheme['scheme']).toLowerCase() === 'bearer'
    const isToken = isBearer || scheme['type'] === 'oauth2' || scheme['type'] === 'openIdConnect'
    if (!isToken)
      unmapped.push(`${where}: the security scheme ${name} is not a bearer token, which is required instead`)
    return isToken && Array.isArray(names) ? names.filter((scope) => typeof scope === 'string') : []
  })
  return scopes.length === 0 ? { secured: true } : { secured: true, scopes: [...new Set(scopes)] }
}

/** `x-max-body-bytes`, or the largest `maxLength` of a binary body. */
function bodyLimitOf(document: JsonObject, operation: JsonObject): JsonObject {
  const body = resolved(document, operation['requestBody']) ?? {}
  const own = operation['x-max-body-bytes'] ?? body['x-max-body-bytes']
  if (typeof own === 'number') return { max_body_bytes: own }
  const limits = Object.values(objectOf(body['content'])).map((media) => {
    const schema = resolved(document, objectOf(media)['schema']) ?? {}
    return schema['format'] === 'binary' ? schema['maxLength'] : undefined
  })
  const isLimited = limits.length > 0 && limits.every((limit) => typeof limit === 'number')
  return isLimited ? { max_body_bytes: Math.max(...limits) } : {}
}

/** Follows a `$ref` within the document. Returns undefined for other references, and if the target is not an object. */
function resolved(document: JsonObject, value: unknown, depth = 0): JsonObject | undefined {
  if (!isObject(value)) return undefined
  const reference = value['$ref']
  if (typeof reference !== 'string') return value
  if (!reference.startsWith('#/') || depth > 10) return undefined
  const names = reference
    .slice(2)
    .split('/')
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  const target = names.reduce<unknown>((holder, name) => objectOf(holder)[name], document)
  return resolved(document, target, depth + 1)
}

function toId(title: string): string {
  return (
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'imported'
  )
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
