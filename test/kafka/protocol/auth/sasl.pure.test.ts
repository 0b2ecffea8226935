// Who we are, and who the broker is: SCRAM by the vectors of its RFCs, brokers that lie, tokens, and what each says when
// it is refused.
import { describe, expect, it } from 'vitest'
import { AuthenticationError, ConnectionError } from '../../../../src/kafka/protocol/errors.ts'
import { fetchToken, signMskToken } from '../../../../src/kafka/protocol/auth/oauth.ts'
import { oauthBearer, plain, scram, type SaslMechanism } from '../../../../src/kafka/protocol/auth/sasl.ts'
import { fromBase64, utf8 } from '../random.ts'

const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)
const say = async (dialogue: ReturnType<SaslMechanism['begin']>, message: string) => text(await dialogue(utf8(message)))

it('PLAIN says name and password, and no more', async () => {
  const dialogue = plain({ username: 'rigel', password: 'a:ö' }).begin()
  expect(await say(dialogue, '')).toBe('\0rigel\0a:ö')
  expect(await say(dialogue, '')).toBeNull()
})

/** A nonce is the Base64 of random bytes: those of which the vector's nonce is. */
const pencil = (hash: 'SHA-256' | 'SHA-512', nonce: string) =>
  scram(hash, { username: 'user', password: 'pencil' }, () => fromBase64(nonce)).begin()

describe('SCRAM-SHA-256 by RFC 7677', () => {
  const NONCE = 'rOprNGfwEbeRWgbNEkqO'
  const BOTH = `${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`
  const SERVER_FIRST = `r=${BOTH},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`

  it('is the vector, message by message', async () => {
    const dialogue = pencil('SHA-256', NONCE)
    expect(await say(dialogue, '')).toBe(`n,,n=user,r=${NONCE}`)
    expect(await say(dialogue, SERVER_FIRST)).toBe(`c=biws,r=${BOTH},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`)
    expect(await say(dialogue, 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toBeNull()
  })

  it.each([
    ['another nonce', SERVER_FIRST.replace('rOpr', 'xOpr'), 'the broker did not return the client nonce'],
    ['no nonce of its own', SERVER_FIRST.replace(BOTH, NONCE), 'the broker did not return the client nonce'],
    ['too few iterations', SERVER_FIRST.replace('4096', '4095'), 'iterations must be 4096 to 100000, got "4095"'],
    ['more than the platform does', SERVER_FIRST.replace('4096', '100001'), 'to 100000, got "100001"'],
    ['half an iteration', SERVER_FIRST.replace('4096', '4096.5'), 'to 100000, got "4096.5"'],
    ['endless iterations', SERVER_FIRST.replace('4096', '1e999'), 'to 100000, got "1e999"'],
    ['no iterations', SERVER_FIRST.replace(',i=4096', ''), 'to 100000, got ""'],
    ['a salt that is none', SERVER_FIRST.replace('W22Z', '!!!!'), 'the salt is not base64'],
    ['an extension', `m=x,${SERVER_FIRST}`, 'the broker requires an unknown extension'],
    ['nothing', '', 'the broker did not return the client nonce'],
  ])('a broker that answers with %s is not told a proof', async (_what, serverFirst, reason) => {
    const dialogue = pencil('SHA-256', NONCE)
    await say(dialogue, '')
    const answered = await say(dialogue, serverFirst).catch((error: unknown) => error)
    expect(answered).toBeInstanceOf(AuthenticationError)
    expect(String(answered)).toContain(reason)
  })

  it.each([
    ['v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=', 'the broker could not prove that it knows the password'],
    ['v=', 'the broker could not prove that it knows the password'],
    ['', 'the broker could not prove that it knows the password'],
    ['e=invalid-proof', 'invalid-proof'],
  ])('a broker that ends with "%s" is not believed', async (serverLast, reason) => {
    const dialogue = pencil('SHA-256', NONCE)
    await say(dialogue, '')
    await say(dialogue, SERVER_FIRST)
    await expect(say(dialogue, serverLast)).rejects.toThrow(new AuthenticationError(`Kafka: SCRAM: ${reason}`))
  })
})

it('SCRAM escapes what has a meaning in its messages', async () => {
  const dialogue = scram('SHA-512', { username: 'a=b,c', password: 'x' }, () => fromBase64('AAAA')).begin()
  expect(await say(dialogue, '')).toBe('n,,n=a=3Db=2Cc,r=AAAA')
})

it('SCRAM has a new nonce for each connection', async () => {
  let count = 0
  const mechanism = scram('SHA-256', { username: 'u', password: 'p' }, (length) => new Uint8Array(length).fill(++count))
  expect(await say(mechanism.begin(), '')).not.toBe(await say(mechanism.begin(), ''))
})

describe('OAUTHBEARER', () => {
  const begin = () => oauthBearer(async () => 'a.b.c').begin()

  it('sends its token, and is done if nothing comes back', async () => {
    const dialogue = begin()
    expect(await say(dialogue, '')).toBe('n,,\u0001auth=Bearer a.b.c\u0001\u0001')
    expect(await say(dialogue, '')).toBeNull()
  })

  it('answers a refusal, and takes nothing behind it for a welcome', async () => {
    const dialogue = begin()
    await say(dialogue, '')
    expect(await say(dialogue, '{"status":"invalid_token"}')).toBe('\u0001')
    const error = new AuthenticationError('Kafka: OAUTHBEARER: {"status":"invalid_token"}')
    await expect(say(dialogue, '')).rejects.toThrow(error)
  })
})

describe('a token by client credentials', () => {
  const credentials = { tokenUrl: 'https://id.example/token?a=b', clientId: 'ri:gel', clientSecret: 's/ö', scope: null }

  interface Seen {
    readonly url: string
    readonly method: string
    readonly redirect: string
    readonly authorization: string | null
    readonly body: string
  }

  function serve(response: () => Response): { fetch: typeof fetch; seen: Seen[] } {
    const seen: Seen[] = []
    const answer = async (...args: Parameters<typeof fetch>) => {
      const request = new Request(...args)
      const { url, method, redirect, headers } = request
      seen.push({ url, method, redirect, authorization: headers.get('authorization'), body: await request.text() })
      return response()
    }
    return { fetch: answer, seen }
  }

  it('is asked for with the secret in a header, escaped, and no redirect is followed', async () => {
    const server = serve(() => Response.json({ access_token: 'a.b.c', token_type: 'Bearer' }))
    expect(await fetchToken({ ...credentials, scope: 'kafka all' }, server.fetch)).toBe('a.b.c')
    expect(server.seen).toEqual([
      {
        url: credentials.tokenUrl,
        method: 'POST',
        redirect: 'manual',
        authorization: `Basic ${btoa('ri%3Agel:s%2F%C3%B6')}`,
        body: 'grant_type=client_credentials&scope=kafka+all',
      },
    ])
  })

  it.each<[string, () => Response, new (message: string) => Error, string]>([
    [
      'that refuses',
      () => new Response('no', { status: 401 }),
      AuthenticationError,
      'id.example answered 401 instead of a token',
    ],
    [
      'that redirects',
      () => new Response('', { status: 302 }),
      AuthenticationError,
      'id.example answered 302 instead of a token',
    ],
    ['that is broken', () => new Response('', { status: 502 }), ConnectionError, 'id.example answered 502'],
    ['that is busy', () => new Response('', { status: 429 }), ConnectionError, 'id.example answered 429'],
    ['without JSON', () => new Response('<html>'), AuthenticationError, 'id.example returned no access_token'],
    ['without a token', () => Response.json({ access_token: '' }), AuthenticationError, 'returned no access_token'],
    [
      'without an end',
      () => new Response('x'.repeat(70_000)),
      ConnectionError,
      'the response has more than 65536 bytes',
    ],
    [
      'out of reach',
      () => {
        throw new TypeError('refused')
      },
      ConnectionError,
      'no token from id.example: TypeError',
    ],
  ])('from a server %s: the error says so, without the secret', async (_what, response, kind, reason) => {
    const error = await fetchToken(credentials, serve(response).fetch).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(kind)
    expect(String(error)).toContain(reason)
    expect(String(error)).not.toContain('s/ö')
  })
})

/** Made once by Amazon's own aws-msk-iam-sasl-signer-python 1.0.2. */
describe('a token for Amazon MSK', () => {
  const aws = {
    region: 'eu-west-1',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    sessionToken: null,
  }
  const COMMON =
    'https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&' +
    'X-Amz-Credential=AKIDEXAMPLE%2F20261125%2Feu-west-1%2Fkafka-cluster%2Faws4_request&X-Amz-Date=20261125T223000Z&' +
    'X-Amz-Expires=900&X-Amz-SignedHeaders=host'
  const AT_MS = Date.UTC(2026, 10, 25, 22, 30, 0, 123)

  it.each([
    ['', null, '7d7856e95a968cff37756c11dd9a6cc2374653fdd9a8ae3da5902fcb6bba17cb'],
    [
      '&X-Amz-Security-Token=a%2Fsession%2Btoken%3D%3D',
      'a/session+token==',
      '4a86052d132b02334ab86d788bc941f6c49d51e92b2422f9a41e0bbaa79449bd',
    ],
  ])('is Amazon’s own, but for who says so: "%s"', async (session, sessionToken, signature) => {
    const token = await signMskToken({ ...aws, sessionToken }, AT_MS)
    expect(token).toMatch(/^[\w-]+$/)
    const url = new URL(text(fromBase64(token.replaceAll('-', '+').replaceAll('_', '/'))) ?? '')
    const wanted = new URL(`${COMMON}${session}&X-Amz-Signature=${signature}&User-Agent=rigel`)
    expect(url.origin + url.pathname).toBe(wanted.origin + wanted.pathname)
    expect(Object.fromEntries(url.searchParams)).toEqual(Object.fromEntries(wanted.searchParams))
  })
})
