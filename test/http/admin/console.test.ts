import { env } from 'cloudflare:workers'
import { createExecutionContext, listDurableObjectIds, waitOnExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { connectWs, publish } from '../../support/gateway-client.ts'
import { eventually } from '../../support/eventually.ts'

expectLogs(/records went to the dead-letter topic/)

const OPERATOR = 'an-internal-token-of-the-tests'
const READER = 'a-token-that-may-only-read'
const variables = { CONSOLE: 'true', CONSOLE_READ_TOKEN: READER }
const name = () => crypto.randomUUID()

async function ask(path: string, init: RequestInit = {}, changes: object = variables): Promise<Response> {
  const context = createExecutionContext()
  const response = await handle(new Request(`https://rigel.test${path}`, init), { ...env, ...changes }, context)
  await waitOnExecutionContext(context)
  return response
}

const call = (token: string, path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST') =>
  ask(`/_rig/api${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  })

async function read<T>(path: string, body?: unknown): Promise<T> {
  const response = await call(READER, path, body)
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return response.json()
}

describe('the page at /_rig/console', () => {
  it('is there where CONSOLE is set, with a CSP that runs only its own scripts', async () => {
    const page = await ask('/_rig/console')
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
    const scripts = [...(await page.text()).matchAll(/(?:src|href)="(\/_rig\/console\/[^"]+)"/g)].map(
      ([, path]) => path,
    )
    for (const path of scripts) expect([path, (await ask(path ?? '')).status]).toEqual([path, 200])
    expect(scripts).toHaveLength(3)
    expect((await ask('/_rig/console/')).headers.get('location')).toBe('/_rig/console')
  })

  it('is not there without it, nor is the token of the development mode', async () => {
    for (const path of ['/_rig/console', '/_rig/console/app.js']) expect((await ask(path, {}, {})).status).toBe(404)
    expect((await ask('/_rig/dev/console-token', { method: 'POST' })).status).toBe(404)
    const dev = await ask('/_rig/dev/console-token', { method: 'POST' }, { DEV_MODE: 'true' })
    expect(await dev.json()).toEqual({ token: OPERATOR })
  })
})

describe('CONSOLE_READ_TOKEN', () => {
  it('may look', async () => {
    expect(await read('/v1/role')).toEqual({ role: 'reader' })
    expect(await (await call(OPERATOR, '/v1/role')).json()).toEqual({ role: 'operator' })
    expect((await call('neither-of-the-two-tokens', '/v1/role')).status).toBe(401)
    for (const path of ['/metrics', '/v3/users', '/v3/followers', '/v1/explain?event=rig/0/999999']) {
      expect([path, (await call(READER, path)).status]).toEqual([path, 200])
    }
  })

  it.each([
    ['POST', '/v3/messages'],
    ['POST', '/v3/session-blacklist'],
    ['POST', '/v3/dead-letters/replay'],
    ['POST', '/v3/dead-letters/discard'],
    ['POST', '/v3/apis'],
    ['DELETE', '/v3/connections?user=alice'],
    ['GET', '/v3/apis'],
    ['GET', '/v2/apis/orders'],
    ['POST', '/v3/apis/import'],
    ['POST', '/v3/responses'],
    ['PUT', '/v1/shards'],
    ['DELETE', '/v1/users/alice'],
  ])('may not %s %s', async (method, path) => {
    const response = await call(READER, path, method === 'GET' ? undefined : {}, method)
    expect([response.status, await response.text()]).toEqual([403, 'This token may only read.'])
  })

  it('makes no object by asking for partitions that do not exist', async () => {
    await read('/v1/topics')
    const before = await listDurableObjectIds(env.EMBEDDED_LOG)
    const partition = 987_654_321
    expect(await read(`/v1/topics/rig/records?partition=${partition}`)).toMatchObject({ latest: 0, records: [] })
    expect(await read(`/v1/explain?event=rig/${partition}/0`)).toMatchObject({
      cause: { kind: 'not_produced', latest: 0 },
    })
    expect(await read(`/v3/dead-letters?partition=${partition}`)).toMatchObject({ dead_letters: [] })
    expect(await listDurableObjectIds(env.EMBEDDED_LOG)).toHaveLength(before.length)
  })

  it('sees connections without the token by which they are changed', async () => {
    const user = name()
    const client = await connectWs({ user })
    const tokenOf = async (role: string) => {
      const answer = await (
        await call(role, `/v3/connections?user=${user}`)
      ).json<{ connections: { connectionToken: string }[] }>()
      return answer.connections[0]?.connectionToken ?? ''
    }
    expect((await tokenOf(OPERATOR)).length).toBeGreaterThan(30)
    expect(await tokenOf(READER)).toMatch(/^.{8}…$/)
    client.socket.close()
  })
})

describe('what the console shows', () => {
  it('figures: steps, sources with their age, and the stream of them', async () => {
    await publish({ type: name(), data: {} })
    interface Figures {
      history: { series: { rig_consumed_events_total?: Record<string, number> } }[]
      sources: { source: string; detail: { counters: object } | null }[]
      shards: number
    }
    await eventually(
      async () => {
        const { history, shards, sources } = await read<Figures>('/v1/figures')
        expect(shards).toBe(3)
        // In the step of its time, which may not be the newest any more.
        const consumed = history.map(({ series }) => series.rig_consumed_events_total?.[''] ?? 0)
        expect(Math.max(...consumed)).toBeGreaterThan(0)
        expect(sources.find(({ source }) => source.startsWith('rig/'))?.detail?.counters).toBeTruthy()
      },
      { interval: 200 },
    )
    const stream = await call(READER, '/v1/figures/stream')
    expect(stream.headers.get('content-type')).toContain('text/event-stream')
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    while (!text.includes('event: figures')) text += (await reader?.read())?.value ?? ''
    await reader?.cancel()
  })

  it('topics, and what Rigel makes of their records', async () => {
    const [user, type] = [name(), name()]
    const { offset, partition } = await publish({ type, data: { recipients: [user] } })
    const { topics } = await read<{ topics: { topic: string; partitions: { latest: number }[] }[] }>('/v1/topics')
    expect(topics.map(({ topic }) => topic)).toEqual(['rig', 'rig-proxy-response', 'rig-dead-letter'])
    const path = `/v1/topics/rig/records?partition=${partition}&offset=${offset}&limit=1`
    expect(await read(path)).toMatchObject({ records: [{ offset, outcome: 'event', type, recipients: [user] }] })
    expect((await call(READER, '/v1/topics/secrets/records')).status).toBe(404)
    expect((await call(READER, '/v1/topics/rig/records?limit=1000')).status).toBe(400)
  })

  it('dead letters: discarded ones are marked', async () => {
    const value = new TextEncoder().encode(`{"console":"${name()}"}`)
    await env.EMBEDDED_LOG.getByName('rig/2').append([{ timestampMs: 1, key: null, headers: [], value }])
    interface Letters {
      dead_letters: { partition: number; offset: number; handled: string | null; value: { text: string } }[]
    }
    const find = async () => {
      const { dead_letters: letters } = await read<Letters>('/v3/dead-letters?limit=100')
      return letters.find((letter) => letter.value.text === new TextDecoder().decode(value))
    }
    const letter = await eventually(async () => {
      const found = await find()
      if (found === undefined) throw new Error('not there yet')
      return found
    })
    expect(letter.handled).toBeNull()
    const at = { partition: letter.partition, offset: letter.offset }
    expect((await call(OPERATOR, '/v3/dead-letters/discard', { dead_letters: [at] })).status).toBe(200)
    expect((await find())?.handled).toBe('discarded')
    expect((await call(OPERATOR, '/v3/dead-letters/discard', {})).status).toBe(400)
  })

  it('routes without secrets, and which one a request takes', async () => {
    const api = name()
    const endpoints = [
      { id: 'one', method: 'GET', path_regex: '/console-test/\\d+', secured: true },
      { id: 'all', method: 'GET', path_regex: '/console-test' },
    ]
    const definition = {
      id: api,
      name: api,
      auth_type: 'jwt',
      auth: { use_header: true, header_name: 'Authorization' },
      versioned: false,
      version_data: { default: { endpoints } },
      proxy: { target_url: 'http://127.0.0.1', port: 1 },
    }
    const made = await call(OPERATOR, '/v3/apis', definition)
    expect([made.status, await made.text()]).toEqual([201, '{"message":"ok"}'])
    const listed = await read<{ routes: { api: string; id: string; authentication: object | null }[] }>('/v1/routes')
    expect(listed.routes.filter((route) => route.api === api).map(({ id }) => id)).toEqual(['one', 'all'])
    const test = (path: string, method = 'GET') => read('/v1/routes/test', { method, path })
    expect(await test('/console-test?x=1')).toMatchObject({ outcome: 'passes', path: '/console-test?x=1', user: null })
    expect(await test('/console-test/7')).toMatchObject({ outcome: 'refused', status: 401, route: { id: 'one' } })
    expect(await test('/console-test', 'PUT')).toMatchObject({
      outcome: 'no_route',
      text: expect.stringContaining('there are routes for GET') as string,
    })
    await call(OPERATOR, `/v3/apis/${api}`, undefined, 'DELETE')
  })

  it('every variable, and no secret', async () => {
    const text = await (await call(READER, '/v1/configuration')).text()
    const { variables: all } = JSON.parse(text) as {
      variables: { name: string; value: string | null; isDefault: boolean }[]
    }
    const of = (wanted: string) => all.find((one) => one.name === wanted)
    expect(of('SHARDS')).toEqual({ name: 'SHARDS', value: '3', isDefault: false })
    expect(of('HEARTBEAT_SECONDS')).toEqual({ name: 'HEARTBEAT_SECONDS', value: '15', isDefault: true })
    expect(of('JWT_SECRET_KEY')).toEqual({ name: 'JWT_SECRET_KEY', value: '(hidden)', isDefault: false })
    expect(of('KAFKA_BROKERS')).toEqual({ name: 'KAFKA_BROKERS', value: null, isDefault: true })
    for (const secret of [OPERATOR, READER, 'a test secret of 32 bytes']) expect(text).not.toContain(secret)
  })
})
