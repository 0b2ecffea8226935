import { describe, expect, it } from 'vitest'
import { jwtVerify } from 'jose'
import { sessionRegistryStub } from '../../../src/rpc/session-registry.ts'
import { inAnHour, sign, tokenOf, unsigned } from '../../support/make-tokens.ts'
import { makeGateway, passThrough } from './gateway.ts'

const CLAIMS_SECRET = 'a secret of thirty-two characters, or more'
const secured = (options: Readonly<Record<string, unknown>> = {}, variables = {}) =>
  makeGateway(passThrough({ secured: true, ...options }), { PROXY_CLAIMS_SECRET: CLAIMS_SECRET, ...variables })
const gateway = secured()
const bearer = async (user: string, claims = {}) => ({ authorization: `Bearer ${await tokenOf(user, claims)}` })

describe('a secured route', () => {
  it('takes a token', async () => {
    expect((await gateway.fetch('/', { headers: await bearer('alice') })).status).toBe(200)
  })

  it('answers as RIG without one', async () => {
    const response = await gateway.fetch('/')
    expect([response.status, await response.text()]).toEqual([401, 'Authentication failed.'])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': '*',
      'access-control-allow-headers': 'content-type',
      'www-authenticate': 'Bearer realm="rigel"',
    })
  })

  it.each([
    ['of nobody', async () => 'garbage'],
    ['without signature', async () => unsigned({ sub: 'alice', exp: inAnHour() })],
    ['of another key', async () => sign({ sub: 'alice', exp: inAnHour() }, 'another secret of 32 bytes or more')],
    ['that has expired', async () => sign({ sub: 'alice', exp: 1 })],
  ])('refuses a token %s', async (_what, make) => {
    expect((await gateway.fetch('/', { headers: { authorization: `Bearer ${await make()}` } })).status).toBe(401)
  })

  it('takes the one of several that is good', async () => {
    const token = await tokenOf('alice')
    expect((await gateway.fetch('/', { headers: { authorization: `Bearer garbage, Bearer ${token}` } })).status).toBe(
      200,
    )
  })

  it('refuses every token where no secret is set', async () => {
    const open = secured({}, { JWT_SECRET_KEY: '' })
    expect((await open.fetch('/', { headers: await bearer('alice') })).status).toBe(401)
    expect(
      (
        await open.fetch('/', {
          headers: { authorization: `Bearer ${await sign({ exp: inAnHour() }, 'x'.repeat(32))}` },
        })
      ).status,
    ).toBe(401)
  })

  it('refuses a token of a revoked session', async () => {
    const session = crypto.randomUUID()
    const headers = await bearer('alice', { jti: session })
    await sessionRegistryStub(gateway.env, session).revoke(session, Date.now() + 60_000)
    expect((await gateway.fetch('/', { headers })).status).toBe(401)
  })

  it('passes no token of a session once it is revoked, although it has just passed', async () => {
    const session = crypto.randomUUID()
    const headers = await bearer('alice', { jti: session })
    const statuses = async () => {
      const responses = await Promise.all(Array.from({ length: 5 }, () => gateway.fetch('/', { headers })))
      return [...new Set(responses.map(({ status }) => status))]
    }
    expect(await statuses()).toEqual([200])
    await sessionRegistryStub(gateway.env, session).revoke(session, Date.now() + 60_000)
    expect(await statuses()).toEqual([401])
  })
})

describe('where a token may be', () => {
  const anywhere = secured({ secured: { header: 'X-Token', query: 'token', cookie: 'session' } })
  const token = tokenOf('alice')

  it('is what the route names', async () => {
    const [inHeader, inQuery, inCookie] = await Promise.all([
      anywhere.fetch('/', { headers: { 'x-token': await token } }),
      anywhere.fetch(`/?token=${await token}`),
      anywhere.fetch('/', { headers: { cookie: `other=1; session=${await token}` } }),
    ])
    expect([inHeader.status, inQuery.status, inCookie.status]).toEqual([200, 200, 200])
  })

  it('is nowhere else', async () => {
    const responses = [
      await anywhere.fetch('/', { headers: { authorization: `Bearer ${await token}` } }),
      await gateway.fetch(`/?token=${await token}`),
      await gateway.fetch('/', { headers: { cookie: `session=${await token}` } }),
    ]
    expect(responses.map(({ status }) => status)).toEqual([401, 401, 401])
  })

  it('is no cookie that another site made the browser send', async () => {
    const cookie = `session=${await token}`
    const responses = [
      await anywhere.fetch('/', { headers: { cookie, origin: 'https://evil.example.com' } }),
      await anywhere.fetch('/', { headers: { cookie, 'sec-fetch-site': 'cross-site' } }),
      await anywhere.fetch('/', { headers: { cookie, origin: 'https://rigel.test' } }),
    ]
    // The tests' CORS is `*`, which trusts no cookies of other sites.
    expect(responses.map(({ status }) => status)).toEqual([401, 401, 200])
  })

  it('is, in RIG’s form, always the header too', async () => {
    const api = {
      id: 'rig',
      name: 'rig',
      auth_type: 'jwt',
      auth: { use_query: true, query_name: 'jwt' },
      version_data: { default: { endpoints: [{ id: 'all', method: 'GET', path_regex: '/x', secured: true }] } },
      proxy: { target_url: '127.0.0.1', port: Number(new URL((passThrough()[0] as { target: string }).target).port) },
    }
    const rig = makeGateway([api])
    const responses = [
      await rig.fetch(`/x?jwt=${await token}`),
      await rig.fetch('/x', { headers: await bearer('a') }),
      await rig.fetch('/x'),
    ]
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 401])
  })
})

describe('what a token must have', () => {
  const scoped = secured({ scopes: ['books:read', 'books:write'] })

  it.each([
    [{ scope: 'books:read other books:write' }, 200],
    [{ scp: ['books:read', 'books:write'] }, 200],
    [{ scope: 'books:read', scopes: ['books:write'] }, 200],
    [{ scope: 'books:read,books:write' }, 200],
    [{ scope: 'books:read, books:write' }, 200],
    [{ permissions: ['books:read', 'books:write'] }, 200],
    [{ scope: 'books:read' }, 403],
    [{ scope: 'books:readbooks:write' }, 403],
    [{ scope: { 'books:read': true } }, 403],
    [{}, 403],
  ])('scopes: %j is %i', async (claims, status) => {
    expect((await scoped.fetch('/', { headers: await bearer('alice', claims) })).status).toBe(status)
  })

  it.each([
    [{ role: 'admin', org: { ids: [1, 7] } }, 200],
    [{ role: 'editor', org: { ids: [7] } }, 200],
    [{ role: 'reader', org: { ids: [7] } }, 403],
    [{ role: 'admin', org: { ids: ['7'] } }, 403],
    [{ role: 'admin' }, 403],
  ])('claims: %j is %i', async (claims, status) => {
    const claimed = secured({ claims: { '/role': ['admin', 'editor'], '/org/ids': 7 } })
    expect((await claimed.fetch('/', { headers: await bearer('alice', claims) })).status).toBe(status)
  })

  it('is said to who lacks it', async () => {
    const response = await scoped.fetch('/', { headers: await bearer('alice', { scope: 'books:read' }) })
    expect(await response.json()).toEqual({ message: 'The token lacks what this route requires: scope books:write' })
  })
})

describe('claims for services', () => {
  it('plain: user, session, and all of them', async () => {
    const plain = secured({ forward_claims: 'plain' })
    const { headers } = await plain.echo('/', {
      headers: { ...(await bearer('älice', { jti: 's 1' })), 'x-rigel-user': 'admin' },
    })
    expect([headers['x-rigel-user'], headers['x-rigel-session']]).toEqual(['%C3%A4lice', 's%201'])
    const claims: unknown = JSON.parse(
      atob((headers['x-rigel-claims'] ?? '').replaceAll('-', '+').replaceAll('_', '/')),
    )
    expect(claims).toMatchObject({ jti: 's 1' })
  })

  it('signed: as a token of Rigel’s, for a minute', async () => {
    const signed = secured({ forward_claims: 'signed' })
    const { headers } = await signed.echo('/', { headers: { ...(await bearer('alice')), 'x-rigel-jwt': 'mine' } })
    const { payload } = await jwtVerify(headers['x-rigel-jwt'] ?? '', new TextEncoder().encode(CLAIMS_SECRET), {
      issuer: 'rigel',
    })
    expect([payload.sub, (payload.exp ?? 0) - (payload.iat ?? 0)]).toEqual(['alice', 60])
  })

  it('none of them unless the route says so', async () => {
    const { headers } = await gateway.echo('/', { headers: await bearer('alice') })
    expect(Object.keys(headers).filter((name) => name.startsWith('x-rigel-'))).toEqual([])
    expect(headers['authorization']).toMatch(/^Bearer /)
  })
})
