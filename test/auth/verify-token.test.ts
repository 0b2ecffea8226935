// Which tokens are accepted, and what is said of the others.
import { exportJWK, importPKCS8 } from 'jose'
import { describe, expect, it } from 'vitest'
import { createTokenVerifier } from '../../src/auth/verify-token.ts'
import {
  CERTIFICATE,
  CERTIFIED_PRIVATE_KEY,
  inAnHour,
  makeConfig,
  makeKeys,
  makeKeySet,
  SECRET,
  sign,
  tokenOf,
  unsigned,
} from '../support/make-tokens.ts'
import { snippetOf } from '../../scripts/fences.ts'
import tokens from '../../docs/tokens.md?raw'
import { isObject } from '../../src/core/json.ts'
import { LATEST_MS } from '../../src/core/time/times.ts'
import { signClaimsText } from '../support/make-tokens.ts'
import { expectLogs } from '../support/expect-logs.ts'

expectLogs(/JWT_JWKS_URL: (?:the keys could not be fetched|keys that cannot be used are left out)/)

const JWKS_URL = 'https://id.example.com/jwks.json'

function verifierOf(variables: Readonly<Record<string, string>> = {}, fetcher?: typeof fetch) {
  return createTokenVerifier(makeConfig(variables).jwt, fetcher === undefined ? {} : { fetch: fetcher })
}

const invalid = (message: string) => ({ ok: false, reason: { kind: 'invalid_token', message } })
const expired = { ok: false, reason: { kind: 'token_expired' } }
const ofAlice = { ok: true, value: { principal: { user: 'alice' } } }

it('the claims of docs/tokens.md are of a user, a session and an end', async () => {
  const claims = JSON.parse(snippetOf('docs/tokens.md#claims', tokens)) as { readonly exp: number }
  const { jwt } = makeConfig()
  const verify = createTokenVerifier(jwt, { now: () => new Date((claims.exp - 1) * 1_000) })
  const principal = { user: 'alice', session: 'session-4711', expSeconds: claims.exp }
  expect(await verify(await sign(claims))).toMatchObject({ ok: true, value: { principal } })
})

describe('keys and algorithms', () => {
  it.each(['HS256', 'HS384', 'HS512'])('accepts %s with the secret', async (alg) => {
    const key = `${SECRET}, longer, for the longest of the three hashes`
    const token = await sign({ sub: 'alice', exp: inAnHour() }, key, alg)
    expect(await verifierOf({ JWT_ALG: alg, JWT_SECRET_KEY: key })(token)).toMatchObject(ofAlice)
  })

  it.each(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'])('accepts %s with a PEM public key', async (alg) => {
    const { privateKey, pem } = await makeKeys(alg)
    const token = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, alg)
    expect(await verifierOf({ JWT_ALG: alg, JWT_SECRET_KEY: pem })(token)).toMatchObject(ofAlice)
  })

  it('accepts a PEM key in one line, with "\\n" for line breaks', async () => {
    const { privateKey, pem } = await makeKeys('ES256')
    const token = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, 'ES256')
    const verify = verifierOf({ JWT_ALG: 'ES256', JWT_SECRET_KEY: pem.replaceAll('\n', '\\n') })
    expect(await verify(token)).toMatchObject(ofAlice)
  })

  it('accepts an X.509 certificate as the key', async () => {
    const token = await sign(
      { sub: 'alice', exp: inAnHour() },
      await importPKCS8(CERTIFIED_PRIVATE_KEY, 'ES256'),
      'ES256',
    )
    expect(await verifierOf({ JWT_ALG: 'ES256', JWT_SECRET_KEY: CERTIFICATE })(token)).toMatchObject(ofAlice)
  })

  it('refuses a token that another key signed', async () => {
    const { pem } = await makeKeys('ES256')
    const { privateKey } = await makeKeys('ES256')
    const foreign = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, 'ES256')
    expect(await verifierOf({ JWT_ALG: 'ES256', JWT_SECRET_KEY: pem })(foreign)).toEqual(invalid('Invalid signature'))
    const guessed = await sign({ sub: 'alice', exp: inAnHour() }, 'another secret of 32 bytes or more')
    expect(await verifierOf()(guessed)).toEqual(invalid('Invalid signature'))
  })

  it('refuses another algorithm than the configured one', async () => {
    const token = await sign({ sub: 'alice', exp: inAnHour() }, SECRET, 'HS384')
    expect(await verifierOf()(token)).toEqual(invalid('Invalid signature'))
  })

  it('refuses a token signed with the public key as if it were a secret', async () => {
    const { pem } = await makeKeys('RS256')
    const forged = await sign({ sub: 'alice', exp: inAnHour() }, pem, 'HS256')
    expect(await verifierOf({ JWT_ALG: 'RS256', JWT_SECRET_KEY: pem })(forged)).toEqual(invalid('Invalid signature'))
  })

  it('refuses "alg": "none"', async () => {
    const result = await verifierOf()(unsigned({ sub: 'alice', exp: inAnHour() }))
    expect(result).toMatchObject({ ok: false, reason: { kind: 'invalid_token' } })
  })

  it('refuses text that is no token', async () => {
    for (const text of ['x', 'a.b.c', '..', `${'a'.repeat(20_000)}.b.c`, '\r\n']) {
      expect(await verifierOf()(text)).toEqual(invalid('Could not verify token'))
    }
  })

  it('refuses every token when no key is configured, an empty secret included', async () => {
    const verify = createTokenVerifier({ ...makeConfig().jwt, secret: '' })
    const message = 'Could not verify token: no key is configured, see JWT_SECRET_KEY'
    expect(await verify(await tokenOf('alice'))).toEqual(invalid(message))
  })
})

describe('while the key is rotated', () => {
  const NEW = 'the new secret, of 32 bytes or more'
  const verify = verifierOf({ JWT_SECRET_KEY: NEW, JWT_SECRET_KEY_OLD: SECRET })

  it('tokens of the new and of the old key are accepted, and of no other', async () => {
    const claims = { sub: 'alice', exp: inAnHour() }
    expect(await verify(await sign(claims, NEW))).toMatchObject(ofAlice)
    expect(await verify(await sign(claims, SECRET))).toMatchObject(ofAlice)
    expect(await verify(await sign(claims, 'another secret, of 32 bytes or more'))).toMatchObject({ ok: false })
  })

  it('an expired token of the old key is refused', async () => {
    expect(await verify(await sign({ sub: 'alice', exp: 1 }, SECRET))).toMatchObject({ ok: false })
  })
})

describe('claims', () => {
  it.each([
    ['in the past', { exp: 1 }],
    ['missing', {}],
    ['text', { exp: 'tomorrow' as unknown as number }],
  ])('calls a token expired whose exp is %s', async (_, claims) => {
    expect(await verifierOf()(await sign({ sub: 'alice', ...claims }))).toEqual(expired)
  })

  it('allows the configured leeway', async () => {
    const exp = 1_000_000
    const token = await sign({ sub: 'alice', exp })
    const { jwt } = makeConfig({ JWT_LEEWAY_SECONDS: '10' })
    const at = (seconds: number) => createTokenVerifier(jwt, { now: () => new Date(seconds * 1_000) })(token)
    expect(await at(exp + 9)).toMatchObject(ofAlice)
    expect(await at(exp + 11)).toEqual(expired)
  })

  it('checks issuer and audience where configured', async () => {
    const verify = verifierOf({ JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'rigel, web' })
    expect(await verify(await tokenOf('alice', { iss: 'https://id.example.com', aud: 'web' }))).toMatchObject(ofAlice)
    const wrongIssuer = await verify(await tokenOf('alice', { iss: 'https://evil.example', aud: 'web' }))
    expect(wrongIssuer).toEqual(invalid('Could not verify token: unexpected "iss" claim value'))
    const wrongAudience = await verify(await tokenOf('alice', { iss: 'https://id.example.com', aud: 'shop' }))
    expect(wrongAudience).toEqual(invalid('Could not verify token: unexpected "aud" claim value'))
  })

  it('finds user and session where the configuration points', async () => {
    const verify = verifierOf({ JWT_USER_FIELD: '/who/id', JWT_SESSION_FIELD: '/sid' })
    const exp = inAnHour()
    expect(await verify(await sign({ exp, who: { id: 42 }, sid: 's-1' }))).toMatchObject({
      value: { principal: { user: '42', session: 's-1', expSeconds: exp } },
    })
  })

  it.each(['', null, ['alice'], { a: 1 }, true])('a user of %j counts as none', async (sub) => {
    const token = await sign({ exp: inAnHour(), sub: sub as string })
    const result = await verifierOf()(token)
    expect(result).toMatchObject({ ok: true, value: { principal: { user: null } } })
  })
})

describe('key sets', () => {
  it('verifies with the key that the token names, and fetches the set once', async () => {
    const [first, second] = [await makeKeys('ES256'), await makeKeys('RS256')]
    const set = await makeKeySet({ ...first, kid: '1' }, { ...second, kid: '2' })
    const verify = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' }, set.fetch)
    expect(await verify(await sign({ sub: 'alice', exp: inAnHour() }, second.privateKey, 'RS256', '2'))).toMatchObject(
      ofAlice,
    )
    expect(await verify(await sign({ sub: 'alice', exp: inAnHour() }, first.privateKey, 'ES256', '1'))).toMatchObject(
      ofAlice,
    )
    expect(set.requests).toEqual([JWKS_URL])
  })

  it('tries every key that fits when the token names none', async () => {
    const [first, second] = [await makeKeys('ES256'), await makeKeys('ES256')]
    const set = await makeKeySet(first, second)
    const verify = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' }, set.fetch)
    const stranger = await makeKeys('ES256')
    expect(await verify(await sign({ sub: 'alice', exp: inAnHour() }, second.privateKey, 'ES256'))).toMatchObject(
      ofAlice,
    )
    const foreign = await sign({ sub: 'alice', exp: inAnHour() }, stranger.privateKey, 'ES256')
    expect(await verify(foreign)).toEqual(invalid('Invalid signature'))
  })

  it('accepts neither a shared secret nor another algorithm than JWT_ALG', async () => {
    const { privateKey, publicKey } = await makeKeys('ES256')
    const set = await makeKeySet({ publicKey, kid: '1' })
    const any = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' }, set.fetch)
    expect(await any(await tokenOf('alice'))).toEqual(invalid('Invalid signature'))
    const onlyRsa = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '', JWT_ALG: 'RS256' }, set.fetch)
    const token = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, 'ES256', '1')
    expect(await onlyRsa(token)).toEqual(invalid('Invalid signature'))
  })

  it.each<[string, () => Promise<Response>]>([
    ['answers 500', async () => new Response('down', { status: 500 })],
    ['answers no JSON', async () => new Response('<html>')],
    ['answers no key set', async () => Response.json({})],
    ['answers too much', async () => new Response('x'.repeat(300_000))],
    ['is out of reach', async () => Promise.reject(new TypeError('network'))],
  ])('says that keys are unavailable when their server %s, and tries again 5 seconds later', async (_, answer) => {
    const { privateKey, publicKey } = await makeKeys('ES256')
    const set = await makeKeySet({ publicKey })
    let isDown = true
    let nowMs = Date.now()
    let fetches = 0
    const { jwt } = makeConfig({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' })
    const verify = createTokenVerifier(jwt, {
      now: () => new Date(nowMs),
      fetch: (input) => {
        fetches += 1
        return isDown ? answer() : set.fetch(input)
      },
    })
    const token = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, 'ES256')
    expect(await verify(token)).toMatchObject({ ok: false, reason: { kind: 'unavailable' } })
    isDown = false
    nowMs += 4_999
    expect(await verify(token)).toMatchObject({ ok: false, reason: { kind: 'unavailable' } })
    expect(fetches).toBe(1)
    nowMs += 1
    expect(await verify(token)).toMatchObject(ofAlice)
  })

  it.each<[string, unknown]>([
    ['is no object', null],
    ['is a text', 'key'],
    ['has no kty', { kid: 'bad' }],
    ['has no modulus', { kty: 'RSA', kid: 'bad', e: 'AQAB' }],
    ['has 1,024 bits', { kty: 'RSA', kid: 'bad', e: 'AQAB', n: btoa('\u00c1'.repeat(128)).replaceAll('=', '') }],
    ['is no point of its curve', { kty: 'EC', crv: 'P-256', kid: 'bad', x: 'AA', y: 'AA' }],
    ['is private', { kty: 'OKP', crv: 'Ed25519', kid: 'bad', d: 'AA', x: 'AA' }],
    ['names what no public key does', { kid: 'bad', key_ops: ['sign', 'verify'] }],
  ])('leaves out a key that %s, and uses the others', async (_, bad) => {
    const { privateKey, publicKey } = await makeKeys('ES256')
    const good = { ...(await exportJWK(publicKey)), kid: 'good' }
    const broken = isObject(bad) && bad['key_ops'] !== undefined ? { ...good, ...bad } : bad
    const keys = [broken, good, { kty: 'oct', k: 'AA' }, { kty: 'other' }]
    const verify = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' }, async () => Response.json({ keys }))
    const token = (alg: string, kid: string) => sign({ sub: 'alice', exp: inAnHour() }, privateKey, alg, kid)
    expect(await verify(await token('ES256', 'good'))).toMatchObject(ofAlice)
    expect(await verify(await token('ES256', 'bad'))).toEqual(invalid('Invalid signature'))
  })

  it('says that keys are unavailable when none of the set can be used', async () => {
    const { privateKey } = await makeKeys('ES256')
    const verify = verifierOf({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' }, async () =>
      Response.json({ keys: [null] }),
    )
    const token = await sign({ sub: 'alice', exp: inAnHour() }, privateKey, 'ES256', 'good')
    expect(await verify(token)).toMatchObject({ ok: false, reason: { kind: 'unavailable' } })
  })

  it('verifies with a key that replaced another one under the same kid', async () => {
    const [old, current] = [await makeKeys('ES256'), await makeKeys('ES256')]
    let { fetch: fetcher } = await makeKeySet({ ...old, kid: '1' })
    let nowMs = Date.now()
    const { jwt } = makeConfig({ JWT_JWKS_URL: JWKS_URL, JWT_SECRET_KEY: '' })
    const verify = createTokenVerifier(jwt, {
      now: () => new Date(nowMs),
      fetch: (input) => fetcher(input),
    })
    const token = (keys: typeof old) => sign({ sub: 'alice', exp: inAnHour() }, keys.privateKey, 'ES256', '1')
    expect(await verify(await token(old))).toMatchObject(ofAlice)
    ;({ fetch: fetcher } = await makeKeySet({ ...current, kid: '1' }))
    expect(await verify(await token(current))).toEqual(invalid('Invalid signature'))
    nowMs += 30_000
    expect(await verify(await token(current))).toMatchObject(ofAlice)
    expect(await verify(await token(old))).toEqual(invalid('Invalid signature'))
  })
})

it.each(['1e300', '9007199254740993', '99999999999999'])(
  'an exp of %s ends at the latest time that an alarm can be set for',
  async (exp) => {
    const token = await signClaimsText(`{"sub":"alice","exp":${exp}}`)
    expect(await verifierOf()(token)).toMatchObject({ value: { principal: { expSeconds: LATEST_MS / 1_000 } } })
  },
)

describe('users and sessions that are numbers', () => {
  const tokenWith = (payload: string) => signClaimsText(payload)
  const verified = async (claims: string) => verifierOf()(await tokenWith(`{"exp":${inAnHour()},${claims}}`))

  it.each([
    ['9007199254740993', '9007199254740993'],
    ['1234567890123456789', '1234567890123456789'],
    ['1', '1'],
    ['1.0', '1'],
    ['1e3', '1000'],
    ['"1.0"', '1.0'],
    ['"1e3"', '1e3'],
  ])('a sub of %s is the user %s', async (sub, user) => {
    expect(await verified(`"sub":${sub}`)).toMatchObject({ ok: true, value: { principal: { user } } })
  })

  it.each(['""', 'null', 'true', '[1]', '{"a":1}'])('a sub of %s is no user', async (sub) => {
    expect(await verified(`"sub":${sub}`)).toMatchObject({ ok: true, value: { principal: { user: null } } })
  })

  it.each(['1e1000000000', '1'.repeat(1_001), '"\\ud800"'])(
    'refuses a sub that cannot be told from others',
    async (sub) => {
      expect(await verified(`"sub":${sub}`)).toEqual(invalid('Could not verify token: its user or session is no id'))
    },
  )

  it('keeps the digits of every claim', async () => {
    const result = await verified('"tenant":9007199254740993')
    expect(result.ok && JSON.stringify(result.value.claims)).toContain('"tenant":9007199254740993')
  })
})
