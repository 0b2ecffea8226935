// /v3/apis and /v2/apis of the internal API: API definitions made at run time. RIG's answers; an ETag is a definition's
// version, and If-Match the version that a change was made for. The Directory validates and stores them; a change is
// effective everywhere within five seconds (proxy/route-table.ts).
import { decodeUtf8 } from '../../core/text.ts'
import { isObject, parseJson } from '../../core/json.ts'
import { Hono, type Context } from 'hono'
import type { ApiChange } from '../../objects/directory/api-registry.ts'
import { directoryStub, toRecords } from '../../rpc/directory.ts'
import { mergeApis, toListed, withoutMeta, type ApiRecord } from '../../api-definitions/api-record.ts'
import { isInactive, parseDefinition } from '../../api-definitions/parse-definitions.ts'
import { definitionEnvOf } from '../../config/proxy.ts'
import { proxiedOpenApi } from './proxied-openapi.ts'
import { toProblemMap } from '../../api-definitions/api-route.ts'
import { importOpenApi } from '../../api-definitions/import/import-openapi.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

type DefinitionsContext = Context<HttpEnv>

/** SQLite holds up to 2 MB in a row. */
const MAX_BODY_BYTES = 1_048_576
/** No definition has this version. */
const NEVER = -1

export const apiDefinitionRoutes = new Hono<HttpEnv>()
  .get('/', async (c) => c.json((await activeApis(c)).map(toListed)))
  .post('/', async (c) => {
    const read = await readDocument(c)
    if (!read.ok) return read.reason
    const document = read.value
    const change = await directoryStub(c.env).createApi(JSON.stringify(document))
    return toAnswer(c, String(document['id']), change, 201)
  })
  .post('/import', async (c) => {
    const read = await readDocument(c)
    if (!read.ok) return read.reason
    const document = read.value
    const imported = importOpenApi(document, { id: c.req.query('id') ?? null, target: c.req.query('target') ?? null })
    if (!imported.ok) {
      return c.json(toProblemMap([{ where: 'api', field: 'body', message: imported.reason }]), 400)
    }
    const { definition, unmapped } = imported.value
    const id = String(definition['id'])
    const change = await directoryStub(c.env).createApi(JSON.stringify(definition))
    if (change.kind !== 'done') return toAnswer(c, id, change, 201)
    return c.json({ message: 'ok', id, unmapped }, 201, { etag: etagOf(change.version) })
  })
  .get('/:id', async (c) => {
    const api = (await activeApis(c)).find(({ id }) => id === c.req.param('id'))
    if (api === undefined) return toAnswer(c, c.req.param('id'), { kind: 'missing' }, 200)
    return c.json(toListed(api), 200, { etag: etagOf(api.version) })
  })
  .put('/:id', async (c) => {
    const read = await readDocument(c)
    if (!read.ok) return read.reason
    const document = read.value
    const id = c.req.param('id')
    return toAnswer(c, id, await directoryStub(c.env).updateApi(id, JSON.stringify(document), expectedOf(c)), 200)
  })
  .delete('/:id', async (c) => {
    const id = c.req.param('id')
    return toAnswer(c, id, await directoryStub(c.env).removeApi(id, expectedOf(c)), 204)
  })

function toAnswer(c: DefinitionsContext, id: string, change: ApiChange, done: 200 | 201 | 204): Response {
  switch (change.kind) {
    case 'done':
      if (done === 204) return c.body(null, 204)
      return c.json({ message: 'ok' }, done, { etag: etagOf(change.version) })
    case 'exists':
      return c.json({ message: `API with id=${id} already exists.` }, 409)
    case 'missing':
      return c.json({ message: `API with id=${id} doesn't exists.` }, 404)
    case 'changed': {
      const message = `API with id=${id} was changed in between: it is now ${etagOf(change.version)}.`
      return c.json({ message }, 412, { etag: etagOf(change.version) })
    }
    case 'invalid':
      return c.json(toProblemMap(change.problems), 400)
  }
}

async function activeApis(c: DefinitionsContext): Promise<readonly ApiRecord[]> {
  const answer = await directoryStub(c.env).apis(0)
  const made = answer === null ? [] : toRecords(answer)
  return mergeApis(c.var.config.proxy.definitions, made).filter(({ document }) => !isInactive(document))
}

/** GET /proxied-openapi.json: the routes of the proxied APIs as one OpenAPI document. */
export async function getProxiedOpenApi(c: DefinitionsContext): Promise<Response> {
  const env = definitionEnvOf(c.env)
  const definitions = (await activeApis(c)).flatMap(({ document }) => {
    const parsed = parseDefinition(document, env)
    return parsed.ok ? [parsed.value] : []
  })
  return c.json(proxiedOpenApi(definitions))
}

/** Returns the version that the change was made for, or null for any version. */
function expectedOf(c: DefinitionsContext): number | null {
  const wanted = c.req.header('if-match')?.trim()
  if (wanted === undefined || wanted === '*') return null
  return Number(/^"(\d+)"$/.exec(wanted)?.[1] ?? NEVER)
}

function etagOf(version: number): string {
  return `"${version}"`
}

async function readDocument(c: DefinitionsContext): Promise<Result<Readonly<Record<string, unknown>>, Response>> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok && body.reason.kind !== 'body_too_large') return fail(errorResponse(body.reason))
  const value = body.ok ? parseJson(decodeUtf8(body.value) ?? '') : undefined
  return isObject(value) ? ok(withoutMeta(value)) : fail(notAnObject(c))
}

function notAnObject(c: DefinitionsContext): Response {
  const message = `must be a JSON object of at most ${MAX_BODY_BYTES} bytes`
  return c.json(toProblemMap([{ where: 'api', field: 'body', message }]), 400)
}
