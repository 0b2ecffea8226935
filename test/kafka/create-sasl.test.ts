// What the configuration says of who we are is what a broker is told: each mechanism, from its variables to its first message.
import { afterEach, expect, it, vi } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import { createSaslMechanism } from '../../src/kafka/create-sasl.ts'

const NOW_MS = Date.UTC(2026, 10, 25, 22, 30)

/** Its name, and the first message. */
async function introduce(variables: Readonly<Record<string, string>>) {
  const config = parseConfig({ KAFKA_BROKERS: 'kafka:9092', KAFKA_SSL_ENABLED: 'true', ...variables })
  if (!config.ok) throw new Error(config.reason.join('\n'))
  const { brokers } = config.value.kafka
  const mechanism = brokers && createSaslMechanism(brokers, () => NOW_MS)
  if (!mechanism) return null
  return {
    name: mechanism.name,
    says: new TextDecoder().decode((await mechanism.begin()(new Uint8Array())) ?? undefined),
  }
}

afterEach(() => vi.unstubAllGlobals())

it('nobody, where nothing is set', async () => {
  expect(await introduce({})).toBeNull()
})

it('by password', async () => {
  expect(await introduce({ KAFKA_SASL: 'plain:rigel:a:b' })).toEqual({ name: 'PLAIN', says: '\0rigel\0a:b' })
  for (const hash of ['SHA-256', 'SHA-512']) {
    const { name, says } = (await introduce({ KAFKA_SASL: `scram-${hash}:rigel:secret` })) ?? {}
    expect([name, says]).toEqual([`SCRAM-${hash}`, expect.stringMatching(/^n,,n=rigel,r=[\w+/]{32}$/)])
  }
})

it('by a token that KAFKA_OAUTH_* bring', async () => {
  const seen: string[] = []
  const serve = async (url: string, { body, headers }: { body: unknown; headers: Record<string, string> }) => {
    seen.push(url, String(body), headers['authorization'] ?? '')
    return Response.json({ access_token: 'a.b.c' })
  }
  vi.stubGlobal('fetch', serve)
  const answer = await introduce({
    KAFKA_SASL: 'oauthbearer',
    KAFKA_OAUTH_TOKEN_URL: 'https://id.example/token',
    KAFKA_OAUTH_CLIENT_ID: 'rigel',
    KAFKA_OAUTH_CLIENT_SECRET: 'secret',
    KAFKA_OAUTH_SCOPE: 'kafka',
  })
  expect(answer).toEqual({ name: 'OAUTHBEARER', says: 'n,,\u0001auth=Bearer a.b.c\u0001\u0001' })
  const basic = `Basic ${btoa('rigel:secret')}`
  expect(seen).toEqual(['https://id.example/token', 'grant_type=client_credentials&scope=kafka', basic])
})

it('by a token that AWS_* sign', async () => {
  const { name, says } =
    (await introduce({
      KAFKA_SASL: 'aws-msk-iam',
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      AWS_SESSION_TOKEN: 'a/session+token==',
    })) ?? {}
  expect(name).toBe('OAUTHBEARER')
  const token = /auth=Bearer ([\w-]+)/.exec(says ?? '')?.[1] ?? ''
  const url = new URL(atob(token.replaceAll('-', '+').replaceAll('_', '/')))
  expect(url.hostname).toBe('kafka.eu-west-1.amazonaws.com')
  // Amazon's own signer makes the same of these.
  const signature = '4a86052d132b02334ab86d788bc941f6c49d51e92b2422f9a41e0bbaa79449bd'
  expect(url.searchParams.get('X-Amz-Signature')).toBe(signature)
  expect(url.searchParams.get('X-Amz-Security-Token')).toBe('a/session+token==')
})
