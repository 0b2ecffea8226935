// Converts an OpenAPI 3.0 or 3.1 document into an API definition (short format): paths, methods, servers, security and body
// limits. What cannot be mapped is listed, never dropped silently. Pure; called by `npm run import` and POST /v3/apis/import.
import { isObject, type JsonObject } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { PARAMETER, securedFor, type ImportedOperation } from './imported-security.ts'
import { fromTemplate } from '../path-pattern.ts'

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

export function importOpenApi(document: unknown, { id, target }: ImportOptions): Result<ImportedApi, string> {
  // `openapi: 3.0` of YAML is the number 3.
  if (!isObject(document) || !/^3(?:\.[01]\b|$)/.test(String(document['openapi']))) {
    return fail('must be an OpenAPI document of version 3.0 or 3.1')
  }
  const unmapped: string[] = []
  const title = textOf(objectOf(document['info'])['title']) ?? 'imported'
  const server = serverOf(document, 'the document', unmapped)
  const base = target ?? server
  if (base === undefined) {
    const relative = unmapped.length === 0 ? '' : `, with the path of its server ${urlsOf(document)[0]}`
    return fail(`has no server with an absolute URL: give the target${relative}`)
  }
  const operations = Object.entries(objectOf(document['paths']))
    .filter(([path]) => !path.startsWith('x-'))
    .flatMap(([path, item]) => operationsOf(document, path, item, unmapped))
  const found = operations.filter(({ isRoute }) => isRoute)
  if (found.length === 0) return fail('has no path that can be mapped')
  for (const part of ['webhooks', 'callbacks'])
    if (part in document) unmapped.push(`${part}: Rigel has no routes for them`)
  const kept = firstOfEach(found, unmapped).toSorted((a, b) => compareTemplates(a.template, b.template))
  const others = operations.filter((operation) => operation.options['secured'] === true && !kept.includes(operation))
  const routes = securedFor(others, kept, unmapped)
  const definition = {
    id: id ?? toId(title),
    name: title,
    target: base,
    routes: Object.fromEntries(routes.map(({ method, template, options }) => [`${method} ${template}`, options])),
  }
  return ok({ definition, unmapped })
}

function operationsOf(
  document: JsonObject,
  path: string,
  written: unknown,
  unmapped: string[],
): readonly ImportedOperation[] {
  const item = itemOf(document, written)
  const template = toTemplate(path)
  const pattern = fromTemplate(template, null)
  if (!pattern.ok) unmapped.push(`${path}: ${pattern.reason}`)
  if (item === undefined) {
    if (pattern.ok) unmapped.push(`${path}: its $ref is not in the document`)
    return [{ where: path, method: '*', template, options: { secured: true }, isRoute: false }]
  }
  // A path that cannot be a route is listed once, not again with what is wrong with its operations.
  const listed = pattern.ok ? unmapped : []
  if ('trace' in item) listed.push(`TRACE ${path}: a Worker cannot send it`)
  return METHODS.filter((method) => method in item).map((method) => {
    const operation = resolved(document, item[method])
    const where = `${method.toUpperCase()} ${path}`
    const known = { where, method: method.toUpperCase(), template }
    if (operation === undefined) {
      listed.push(`${where}: is no object of the document`)
      return { ...known, options: { secured: true }, isRoute: false }
    }
    if ('callbacks' in operation) listed.push(`${where}: callbacks are not routed`)
    const server = serverOf(urlsOf(operation).length > 0 ? operation : item, where, listed)
    const options = {
      ...(server === undefined ? {} : { target: server }),
      ...securityOf(document, operation, where, listed),
      ...bodyLimitOf(document, operation, where, listed),
    }
    return { ...known, options, isRoute: pattern.ok }
  })
}

/** Fields beside the `$ref` of a path are a part of it, and come first. */
function itemOf(document: JsonObject, written: unknown): JsonObject | undefined {
  const item = resolved(document, written)
  return item === undefined || item === written ? item : { ...item, ...objectOf(written) }
}

/** `{book-id}` becomes `{book_id}`. */
function toTemplate(path: string): string {
  const segments = path.split('/').map((segment) => {
    const name = PARAMETER.exec(segment)?.[1]
    return name === undefined ? segment : `{${name.replaceAll(/\W/g, '_').replace(/^(?=\d)/, '_')}}`
  })
  return segments.join('/')
}

/** `GET /books/{id}` and `GET /books/{isbn}` are one route, and a definition with both would be refused. */
function firstOfEach(routes: readonly ImportedOperation[], unmapped: string[]): readonly ImportedOperation[] {
  const known = new Map<string, ImportedOperation>()
  for (const route of routes) {
    const key = `${route.method} ${route.template.replaceAll(/\{[^}]*\}/g, '{}')}`
    const first = known.get(key)
    if (first === undefined) known.set(key, route)
    else unmapped.push(`${route.where}: ${first.where} is the same route, and comes first`)
  }
  return [...known.values()]
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

/** Returns the first server with an absolute URL. */
function serverOf(holder: JsonObject, where: string, unmapped: string[]): string | undefined {
  const urls = urlsOf(holder)
  const first = urls.find((url) => /^https?:\/\/[^/{}][^{}]*$/.test(url) && URL.canParse(url))
  for (const url of urls) if (url !== first) unmapped.push(`${where}: the server ${url} is not used`)
  return first?.replace(/\/+$/, '')
}

/** Returns the URLs of the servers, their variables replaced by the defaults: `8443` of YAML is a number. */
function urlsOf({ servers }: JsonObject): readonly string[] {
  return (Array.isArray(servers) ? servers.map(objectOf) : []).map(({ url, variables }) =>
    String(url)
      .replaceAll(/\{([^}]*)\}/g, (text, name: string) => {
        const value = objectOf(objectOf(variables)[name])['default']
        return typeof value === 'string' || typeof value === 'number' ? `${value}` : text
      })
      // `/{base}` with the default `/v1`.
      .replaceAll(/(?<!(?:^|:)\/?)\/{2,}/g, '/'),
  )
}

/** Never leaves a route open that the document secures: what cannot be mapped needs a bearer token, and is listed. */
function securityOf(document: JsonObject, operation: JsonObject, where: string, unmapped: string[]): JsonObject {
  const asked = operation['security'] ?? document['security'] ?? []
  if (!Array.isArray(asked) || !asked.every(isObject)) {
    unmapped.push(`${where}: its security is not a list of objects, so a bearer token is required`)
    return { secured: true }
  }
  const alternatives: readonly JsonObject[] = asked
  const needed = alternatives.filter((one) => Object.keys(one).length > 0)
  if (needed.length === 0) return {}
  if (needed.length < alternatives.length) unmapped.push(`${where}: security is optional there, and required here`)
  const schemes = objectOf(objectOf(document['components'])['securitySchemes'])
  const isToken = (name: string) => isTokenScheme(resolved(document, schemes[name]))
  const used = needed.find((one) => Object.keys(one).every(isToken)) ?? needed[0] ?? {}
  if (needed.length > 1) {
    const names = Object.keys(used).join(' and ')
    unmapped.push(`${where}: only one of ${needed.length} alternative securities is used: ${names}`)
  }
  const scopes = Object.entries(used).flatMap(([name, wanted]) => {
    if (!isToken(name)) {
      unmapped.push(`${where}: the security scheme ${name} is not a bearer token, which is required instead`)
      return []
    }
    // A list with one scope is sometimes written without the list.
    return [wanted ?? []].flat().map(String)
  })
  return scopes.length === 0 ? { secured: true } : { secured: true, scopes: [...new Set(scopes)] }
}

function isTokenScheme({ scheme, type }: JsonObject = {}): boolean {
  const isBearer = type === 'http' && String(scheme).toLowerCase() === 'bearer'
  return isBearer || type === 'oauth2' || type === 'openIdConnect'
}

/** `x-max-body-bytes`, or the largest `maxLength` of a binary body. */
function bodyLimitOf(document: JsonObject, operation: JsonObject, where: string, unmapped: string[]): JsonObject {
  const body = resolved(document, operation['requestBody']) ?? {}
  const own = operation['x-max-body-bytes'] ?? body['x-max-body-bytes']
  if (typeof own === 'number') return { max_body_bytes: own }
  if (own !== undefined)
    unmapped.push(`${where}: x-max-body-bytes must be a number of bytes, got ${JSON.stringify(own)}`)
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
    .map((name) => unescaped(name).replaceAll('~1', '/').replaceAll('~0', '~'))
  const target = names.reduce<unknown>((holder, name) => objectOf(holder)[name], document)
  return resolved(document, target, depth + 1)
}

/** A pointer in a URL may be percent-encoded: `#/paths/~1books~1%7Bid%7D`. */
function unescaped(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
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
