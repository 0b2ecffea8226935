import { env } from 'cloudflare:workers'
import { createExecutionContext, evictDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { directoryStub } from '../../../src/rpc/directory.ts'
import { handle } from '../../../src/http/app.ts'
import { fetchRigel } from '../../support/gateway-client.ts'
import { makeGateway, passThrough, UPSTREAM } from '../proxy/gateway.ts'
import { eventually } from '../../support/eventually.ts'

const AUTHORIZATION = { authorization: 'Bearer an-internal-token-of-the-tests' }
const port = Number(new URL(UPSTREAM).port)
let ids = 0
const newId = () => `api-${(ids += 1)}`

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const init = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  const response = await fetchRigel(`/_rig/api${path}`, { method, headers: { ...AUTHORIZATION, ...headers }, ...init })
  const text = await response.text()
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    body: text === '' ? null : (JSON.parse(text) as unknown),
  }
}

function rigApi(id: string, changes: Readonly<Record<string, unknown>> = {}) {
  const endpoints = [{ id: 'get', method: 'GET', path_regex: `/${id}/(.+)`, path_replacement: String.raw`/books/\1` }]
  return {
    id,
    name: id,
    version_data: { default: { endpoints } },
    proxy: { target_url: 'http://127.0.0.1', port },
    ...changes,
  }
}

describe.each(['/v3', '/v2'])('%s/apis', (version) => {
  const apis = `${version}/apis`

  it('makes, tells, changes and removes a definition, with RIG’s answers', async () => {
    const id = newId()
    expect(await call('POST', apis, rigApi(id))).toMatchObject({ status: 201, body: { message: 'ok' } })
    expect(await call('POST', apis, rigApi(id))).toMatchObject({
      status: 409,
      body: { message: `API with id=${id} already exists.` },
    })
    expect(await call('GET', `${apis}/${id}`)).toMatchObject({ status: 200, body: rigApi(id) })
    const listed = {
      ...rigApi(id),
      active: true,
      auth: { use_header: false, header_name: '', use_query: false, query_name: '' },
      auth_type: 'none',
      ref_number: expect.any(Number) as number,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    }
    expect((await call('GET', apis)).body).toContainEqual(listed)
    expect((await call('PUT', `${apis}/${id}`, (await call('GET', `${apis}/${id}`)).body)).status).toBe(200)
    expect(await call('PUT', `${apis}/${id}`, { ...rigApi(id), name: 'other' })).toMatchObject({
      status: 200,
      body: { message: 'ok' },
    })
    expect((await call('GET', `${apis}/${id}`)).body).toMatchObject({ name: 'other', proxy: { port } })
    expect(await call('DELETE', `${apis}/${id}`)).toMatchObject({ status: 204, body: null })
    const gone = { status: 404, body: { message: `API with id=${id} doesn't exists.` } }
    expect(await call('GET', `${apis}/${id}`)).toMatchObject(gone)
    expect(await call('DELETE', `${apis}/${id}`)).toMatchObject(gone)
    expect(await call('PUT', `${apis}/${id}`, rigApi(id))).toMatchObject(gone)
    expect(await call('POST', apis, rigApi(id))).toMatchObject({ status: 201 })
  })

  it('imports an OpenAPI document, and shows what all routes offer as one', async () => {
    const id = newId()
    const document = {
      openapi: '3.1.0',
      info: { title: 'Covers', version: '1' },
      paths: {
        [`/${id}/{book}`]: { get: { security: [{ oauth: ['read'] }] } },
        [`/${id}/{book}.json`]: { get: {} },
      },
      components: { securitySchemes: { oauth: { type: 'oauth2', flows: {} } } },
    }
    const path = `${apis}/import?id=${id}&target=${encodeURIComponent(UPSTREAM)}`
    expect(await call('POST', path, document)).toMatchObject({
      status: 201,
      body: {
        message: 'ok',
        id,
        unmapped: [`/${id}/{book}.json: "{book}.json" must be text, {name}, or at the end {name...}`],
      },
    })
    expect((await call('GET', `${apis}/${id}`)).body).toMatchObject({
      target: UPSTREAM,
      routes: { [`GET /${id}/{book}`]: { secured: true, scopes: ['read'] } },
    })
    expect((await call('POST', path, document)).status).toBe(409)
    expect((await call('POST', `${apis}/import`, { openapi: '2.0' })).body).toEqual({
      api: [{ body: 'must be an OpenAPI document of version 3.0 or 3.1' }],
    })
    const { body } = await call('GET', '/proxied-openapi.json')
    expect((body as { paths: Record<string, unknown> }).paths[`/${id}/{book}`]).toEqual({
      get: {
        operationId: `${id}/GET /${id}/{book}/get`,
        tags: [id],
        parameters: [{ name: 'book', in: 'path', required: true, schema: { type: 'string' } }],
        security: [{ token: ['read'] }],
        responses: { default: { description: "The service's response" } },
      },
    })
  })

  it('changes what If-Match names only', async () => {
    const id = newId()
    const { etag: first } = await call('POST', apis, rigApi(id))
    const change = (ifMatch: string) =>
      call('PUT', `${apis}/${id}`, rigApi(id, { name: ifMatch }), { 'if-match': ifMatch })
    expect((await call('GET', `${apis}/${id}`)).etag).toBe(first)
    const { etag: second, status } = await change(first ?? '')
    expect([status, second === first]).toEqual([200, false])
    expect(await change(first ?? '')).toMatchObject({ status: 412, etag: second })
    expect(await change('"garbage"')).toMatchObject({ status: 412 })
    expect(await call('DELETE', `${apis}/${id}`, undefined, { 'if-match': first ?? '' })).toMatchObject({ status: 412 })
    expect(await change('*')).toMatchObject({ status: 200 })
  })

  it.each([
    ['', { api: [{ body: 'must be a JSON object of at most 1048576 bytes' }] }],
    ['[]', { api: [{ body: 'must be a JSON object of at most 1048576 bytes' }] }],
    [
      { name: 'x' },
      { api: [{ id: 'must be present' }, { version_data: 'must be present' }, { proxy: 'must be present' }] },
    ],
  ])('says what is wrong with %j', async (document, problems) => {
    expect(await call('POST', apis, document)).toMatchObject({ status: 400, body: problems })
  })

  it.each([
    ['a bad regex', { path_regex: '/(' }, 'path_regex', /must be a regular expression/],
    [
      'a regex that no linear engine can match',
      { path_regex: String.raw`/(a)\1` },
      'path_regex',
      /must not refer back/,
    ],
    ['a group that is not there', { path_replacement: String.raw`/\2` }, 'path_regex', /names group 2/],
    ['a topic that is missing', { target: 'kafka' }, 'topic', /^must be present$/],
  ])('refuses %s', async (_what, changes, field, message) => {
    const id = newId()
    const endpoint = { id: 'get', method: 'GET', path_regex: `/${id}/(.+)`, ...changes }
    const refused = await call('POST', apis, rigApi(id, { version_data: { default: { endpoints: [endpoint] } } }))
    expect(refused.status).toBe(400)
    expect((refused.body as Record<string, Record<string, string>[]>)[`${id}/get`]).toContainEqual({
      [field]: expect.stringMatching(message) as unknown,
    })
  })

  it('refuses a variable that is not set, and a route that another one hides', async () => {
    const [id, hidden] = [newId(), newId()]
    const unset = await call('POST', apis, rigApi(id, { proxy: { use_env: true, target_url: 'NO_SUCH_HOST', port } }))
    expect(unset.body).toEqual({ api: [{ target_url: 'names the variable NO_SUCH_HOST, which is not set' }] })
    await call('POST', apis, { id, target: UPSTREAM, routes: { [`GET /${id}/{rest...}`]: {} } })
    const refused = await call('POST', apis, { id: hidden, target: UPSTREAM, routes: { [`GET /${id}/books`]: {} } })
    expect(refused.status).toBe(400)
    expect(JSON.stringify(refused.body)).toContain(`is never reached: ${id}/GET /${id}/{rest...}`)
  })

  it('is for those with the token', async () => {
    expect((await fetchRigel(`/_rig/api${apis}`)).status).toBe(401)
  })
})

describe('a definition made at run time', () => {
  it('is effective in an isolate that knew others, and so is its end; it outlives the Directory', async () => {
    const id = newId()
    const ask = async () => handle(new Request(`https://rigel.test/${id}/7`), env, createExecutionContext())
    expect((await ask()).status).toBe(404)
    await call('POST', '/v3/apis', rigApi(id))
    const within = { interval: 200 }
    await eventually(async () => expect((await ask()).status).toBe(200), within)
    expect(await (await ask()).json()).toMatchObject({ url: '/books/7' })
    await evictDurableObject(directoryStub(env))
    expect(await call('GET', `/v3/apis/${id}`)).toMatchObject({ status: 200 })
    await call('DELETE', `/v3/apis/${id}`)
    await eventually(async () => expect((await ask()).status).toBe(404), within)
  })
})

describe('definitions that are deployed', () => {
  it('stay those of this deployment, while the Directory is still, or already, of another', async () => {
    const id = newId()
    const other = makeGateway(passThrough({ routes: { 'GET /things': {} } }), {
      INTERNAL_TOKEN: 'an-internal-token-of-the-tests',
    })
    expect((await other.fetch('/things')).status).toBe(200)
    await call('POST', '/v3/apis', rigApi(id))
    await eventually(async () => expect((await other.echo(`/${id}/7`)).url).toBe('/books/7'))
    expect((await other.fetch('/things')).status).toBe(200)
  })
})
