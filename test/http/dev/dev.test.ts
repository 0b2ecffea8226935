// The tools of development mode, and that they are not there without it.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { parseStructured } from '../../../src/core/events/cloud-event.ts'
import { handle } from '../../../src/http/app.ts'
import { sampleEvent } from '../../../src/http/dev/dev-feed.ts'
import { createTokenVerifier } from '../../../src/auth/verify-token.ts'
import { makeConfig } from '../../support/make-tokens.ts'

function post(path: string, body: unknown, variables: Readonly<Record<string, string>> = { DEV_MODE: 'true' }) {
  const request = new Request(`https://rigel.example/_rig/dev/${path}`, { method: 'POST', body: JSON.stringify(body) })
  return handle(request, { ...env, ...variables }, createExecutionContext())
}

it.each(['token', 'feed'])('/_rig/dev/%s is not there without DEV_MODE', async (path) => {
  const response = await post(path, { user: 'alice' }, {})
  expect([response.status, await response.json()]).toEqual([404, { message: 'Not Found' }])
})

describe('token', () => {
  it('is one that Rigel accepts for an hour, with the claims that were asked for', async () => {
    const response = await post('token', { user: 'alice', username: 'Alice' })
    const { token } = await response.json<{ token: string }>()
    const verified = await createTokenVerifier(makeConfig().jwt)(token)
    expect(verified).toMatchObject({ value: { principal: { user: 'alice' }, claims: { username: 'Alice' } } })
    const { exp = 0, iat = 0, jti } = decodeJwt(token)
    expect([exp - iat, typeof jti]).toEqual([3_600, 'string'])
  })

  it('has the user, issuer and audience where the configuration wants them', async () => {
    const variables = { JWT_USER_FIELD: '/who/id', JWT_ISSUER: 'me', JWT_AUDIENCE: 'rigel' }
    const response = await post('token', { user: 'bob', who: { age: 7 } }, { DEV_MODE: 'true', ...variables })
    const { token } = await response.json<{ token: string }>()
    expect(decodeJwt(token)).toMatchObject({ who: { id: 'bob', age: 7 }, iss: 'me', aud: ['rigel'] })
    expect(await createTokenVerifier(makeConfig(variables).jwt)(token)).toMatchObject({ ok: true })
  })

  it('has the exp that was asked for, also one that has passed', async () => {
    const { token } = await (await post('token', { user: 'alice', exp: 1_700_000_000 })).json<{ token: string }>()
    expect(decodeJwt(token).exp).toBe(1_700_000_000)
  })

  it('can be had by a frontend of another origin', async () => {
    const response = await post('token', { user: 'alice' })
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    const request = new Request('https://rigel.example/_rig/dev/token', { method: 'OPTIONS' })
    const allowed = await handle(request, env, createExecutionContext())
    expect([allowed.status, allowed.headers.get('access-control-allow-headers')]).toEqual([204, 'content-type'])
  })

  it.each([{}, { user: '' }, { user: 1 }, [], { user: 'alice', exp: '1h' }, { user: 'alice', exp: 1.5 }])(
    'needs a user: %j is refused',
    async (body) => {
      expect((await post('token', body)).status).toBe(400)
    },
  )
})

describe('feed', () => {
  it('publishes as many events as it is asked for', async () => {
    const response = await post('feed', { count: 7 })
    expect([response.status, await response.json()]).toEqual([202, { produced: 7 }])
  })

  it.each([0, 101, 1.5, 'many'])('refuses a count of %j', async (count) => {
    expect((await post('feed', { count })).status).toBe(400)
  })

  it('makes valid events of several services, some addressed to users', () => {
    let seed = 1
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
    const events = Array.from({ length: 60 }, () => sampleEvent(0, random))
    expect(new Set(events.map(({ type }) => type)).size).toBe(3)
    for (const event of events) expect(parseStructured(JSON.stringify(event))).toMatchObject({ ok: true })
    const recipients = new Set(events.map(({ data }) => data.recipients?.[0]))
    expect([...recipients].map(String).toSorted()).toEqual(['alice', 'bob', 'carol', 'undefined'])
  })
})
