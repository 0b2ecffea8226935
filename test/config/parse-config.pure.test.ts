// What the configuration says of every bad value, and what it is when nothing is set.
import { describe, expect, it } from 'vitest'
import { toBase64 } from '../../src/core/bytes.ts'
import { DURABLE_OBJECTS } from '../../src/config/bindings.ts'
import { loadConfig, parseConfig, warningsOf, type Config } from '../../src/config/parse-config.ts'
import devVars from '../../.dev.vars.example?raw'
import documentation from '../../docs/configuration.md?raw'
import wranglerToml from '../../wrangler.toml?raw'
import { expectLogs } from '../support/expect-logs.ts'
import { CERTIFICATE, CERTIFIED_PRIVATE_KEY, makeKeys } from '../support/make-tokens.ts'

expectLogs(/"message":"Rigel is misconfigured","problems":\["SHARDS: must be/)

function problemsOf(env: object): readonly string[] {
  const config = parseConfig(env)
  return config.ok ? [] : config.reason
}

function parsed(env: object): Config {
  const config = parseConfig(env)
  if (!config.ok) throw new Error(config.reason.join('\n'))
  return config.value
}

const SOURCES = import.meta.glob<string>('../../src/config/*.ts', { query: '?raw', import: 'default', eager: true })

const REGISTRY = { KAFKA_SCHEMA_REGISTRY_URL: 'https://a.example' }
const LOGIN = { KAFKA_SCHEMA_REGISTRY_USERNAME: 'u', KAFKA_SCHEMA_REGISTRY_PASSWORD: 'pä:ß' }

const field = (value: unknown) => JSON.stringify({ greeting: { name: value } })

describe('defaults', () => {
  it('are those that docs/configuration.md names', () => {
    const config = parsed({})
    expect(config).toMatchObject({
      shards: 4,
      cors: '*',
      subscriptionCheck: 'no_check',
      submissionCheck: 'jwt_validation',
      jwt: { algorithm: 'HS256', secret: '', userField: ['sub'], sessionField: ['jti'], cookie: null },
      connections: { heartbeatMs: 15_000, reconnectMs: 2_000, longpollingWaitMs: 20_000, subscriptions: 100 },
      kafka: { topics: ['rig'], autoOffsetReset: 'earliest', upstash: null, embedded: { credentials: null } },
      devMode: false,
    })
  })

  it('let no stream be quiet for longer than a quarter of the retention', () => {
    expect(parsed({ LOG_RETENTION_SECONDS: '20' }).connections.heartbeatMs).toBe(5_000)
  })

  it('name no schema registry', () => {
    expect(parsed({}).schemas).toEqual({ registry: null, serializer: null, logSubject: null })
  })

  it('cannot be changed by whoever gets them, at any depth', () => {
    const config = parsed({})
    expect(() => Object.assign(config, { shards: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.jwt, { secret: 'x' })).toThrow(TypeError)
    expect(() => config.kafka.topics.push('x')).toThrow(TypeError)
  })
})

describe('values', () => {
  it('may be numbers, booleans and objects, as wrangler.toml can hold them', () => {
    const config = parsed({ SHARDS: 8, DEV_MODE: true, RECIPIENTS: { '*': '/data/user' } })
    expect([config.shards, config.devMode, config.recipients.all]).toEqual([8, true, ['data', 'user']])
    expect(problemsOf({ SHARDS: 0 })).toEqual(['SHARDS: must be a whole number from 1 to 8192, got "0"'])
  })

  it('count as not set when empty, and bindings of other names are none of its business', () => {
    expect(parsed({ SHARDS: '', JWT_ALG: '', USER_SHARD: {}, toString: 'x', PORT: '4000' }).shards).toBe(4)
  })

  it('are accepted as RIG has them: checks in any case, extractors with their indexes', () => {
    const config = parsed({
      SUBSCRIPTION_CHECK: 'JWT_VALIDATION',
      SUBMISSION_CHECK: 'NO_CHECK',
      EXTRACTORS: field({
        stable_field_index: 1,
        event: { json_pointer: '/data/name' },
        jwt: { json_pointer: '/a~1b' },
      }),
    })
    expect([config.subscriptionCheck, config.submissionCheck]).toEqual(['jwt_validation', 'no_check'])
    expect(config.extractors.get('greeting')).toEqual([
      { name: 'name', event: ['data', 'name'], claim: ['a/b'], enforced: false },
    ])
  })

  it('of RECIPIENTS may be one pointer for all types', () => {
    expect(parsed({ RECIPIENTS: '/data/user' }).recipients).toEqual({ all: ['data', 'user'], byType: new Map() })
  })
})

const JSON_POINTER = 'must be a JSON pointer such as "/data/user", got '
const FIELD = 'must be {"json_pointer": "/data/name"}'
const PLACE = `${FIELD}, {"key": true}, {"key": "/name"} or {"header": "name"}`
const FIRST = 'must begin with the name of a topic: events are published to it'
const TOPIC = 'must be a Kafka topic name: 1 to 249 of letters, digits, ".", "_" and "-", but not "." or ".."'

it.each([
  ['SHARDS', 'many', 'SHARDS: must be a whole number from 1 to 8192, got "many"'],
  ['SHARDS', '1.5', 'SHARDS: must be a whole number from 1 to 8192, got "1.5"'],
  [
    'MAX_CONNECTIONS_PER_SHARD',
    '40000',
    'MAX_CONNECTIONS_PER_SHARD: must be a whole number from 1 to 32768, got "40000"',
  ],
  ['MAX_CONNECTIONS_PER_MINUTE', '0', 'MAX_CONNECTIONS_PER_MINUTE: must be a whole number from 1 to 1000000, got "0"'],
  [
    'MAX_SUBSCRIPTIONS_PER_CONNECTION',
    '10001',
    'MAX_SUBSCRIPTIONS_PER_CONNECTION: must be a whole number from 1 to 10000, got "10001"',
  ],
  [
    'MAX_CONNECTION_LIFETIME_SECONDS',
    '9',
    'MAX_CONNECTION_LIFETIME_SECONDS: must be a whole number from 10 to 31536000, got "9"',
  ],
  ['MAX_WAITING_BYTES', '1', 'MAX_WAITING_BYTES: must be a whole number from 1024 to 33554432, got "1"'],
  ['HEARTBEAT_SECONDS', '301', 'HEARTBEAT_SECONDS: must be a whole number from 1 to 300, got "301"'],
  ['RECONNECT_MS', '99', 'RECONNECT_MS: must be a whole number from 100 to 600000, got "99"'],
  ['LONGPOLLING_WAIT_SECONDS', '61', 'LONGPOLLING_WAIT_SECONDS: must be a whole number from 0 to 60, got "61"'],
  ['LONGPOLLING_IDLE_SECONDS', '9', 'LONGPOLLING_IDLE_SECONDS: must be a whole number from 10 to 86400, got "9"'],
  ['LOG_RETENTION_SECONDS', '0', 'LOG_RETENTION_SECONDS: must be a whole number from 1 to 604800, got "0"'],
  ['LOG_RETENTION_BYTES', '1', 'LOG_RETENTION_BYTES: must be a whole number from 65536 to 4294967296, got "1"'],
  ['MAX_EVENT_BYTES', '1e6', 'MAX_EVENT_BYTES: must be a whole number from 1024 to 1048576, got "1e6"'],
  ['KAFKA_PARTITIONS', '0', 'KAFKA_PARTITIONS: must be a whole number from 1 to 1000, got "0"'],
  [
    'KAFKA_LOG_RETENTION_SECONDS',
    '0',
    'KAFKA_LOG_RETENTION_SECONDS: must be a whole number from 1 to 31536000, got "0"',
  ],
  [
    'KAFKA_LOG_RETENTION_BYTES',
    '1',
    'KAFKA_LOG_RETENTION_BYTES: must be a whole number from 1024 to 8589934592, got "1"',
  ],
  ['JWT_LEEWAY_SECONDS', '-1', 'JWT_LEEWAY_SECONDS: must be a whole number from 0 to 600, got "-1"'],
  [
    'CORS',
    'app.example.com',
    'CORS: must be "*", or origins such as https://app.example.com, separated by commas, got "app.example.com"',
  ],
  [
    'CORS',
    'https://app.example.com/',
    'CORS: must be "*", or origins such as https://app.example.com, separated by commas, got "https://app.example.com/"',
  ],
  ['CORS', 'null', 'CORS: must be "*", or origins such as https://app.example.com, separated by commas, got "null"'],
  [
    'JWT_ALG',
    'none',
    'JWT_ALG: must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, got "none"',
  ],
  [
    'JWT_JWKS_URL',
    'id.example.com',
    'JWT_JWKS_URL: must be a URL such as https://id.example.com/.well-known/jwks.json',
  ],
  ['JWT_AUDIENCE', ',', 'JWT_AUDIENCE: must name at least one audience, got ","'],
  ['JWT_USER_FIELD', 'sub', `JWT_USER_FIELD: ${JSON_POINTER}"sub"`],
  ['JWT_SESSION_FIELD', '/a~2', `JWT_SESSION_FIELD: ${JSON_POINTER}"/a~2"`],
  ['JWT_COOKIE', 'my token', 'JWT_COOKIE: must be a cookie name, got "my token"'],
  [
    'SUBSCRIPTION_CHECK',
    'ftp://check.example',
    'SUBSCRIPTION_CHECK: must be NO_CHECK, JWT_VALIDATION or the URL of a service that decides, got "ftp://check.example"',
  ],
  [
    'SUBMISSION_CHECK',
    'yes',
    'SUBMISSION_CHECK: must be NO_CHECK, JWT_VALIDATION or the URL of a service that decides, got "yes"',
  ],
  ['EXTRACTORS', '{', 'EXTRACTORS: must be JSON, got "{"'],
  [
    'EXTRACTORS',
    '[]',
    'EXTRACTORS: must be a JSON object: event type → field name → {"event": {"json_pointer": "/data/name"}}, got "[]"',
  ],
  ['EXTRACTORS', '{"greeting":1}', 'EXTRACTORS: in greeting: must be an object: field name → where to find it'],
  ['EXTRACTORS', field({}), `EXTRACTORS: in greeting, name, event: ${PLACE}`],
  ['EXTRACTORS', field({ event: { json_pointer: 'name' } }), `EXTRACTORS: in greeting, name, event: ${PLACE}`],
  ['EXTRACTORS', field({ event: { json_pointer: '/a' }, jwt: '/b' }), `EXTRACTORS: in greeting, name, jwt: ${FIELD}`],
  [
    'EXTRACTORS',
    field({ event: { json_pointer: '/a' }, jwtt: {} }),
    'EXTRACTORS: in greeting, name: must be {"event": {"json_pointer": "/data/name"}} and, optionally, "jwt", "enforced" and "stable_field_index"',
  ],
  [
    'EXTRACTORS',
    field({ event: { json_pointer: '/a' }, stable_field_index: -1 }),
    'EXTRACTORS: in greeting, name, stable_field_index: must be 0 or more',
  ],
  ['RECIPIENTS', 'data', 'RECIPIENTS: must be JSON, got "data"'],
  ['RECIPIENTS', '{"*":"data"}', `RECIPIENTS: in *: ${JSON_POINTER}"data"`],
  ['KAFKA_SOURCE_TOPICS', ',', 'KAFKA_SOURCE_TOPICS: must name at least one topic, got ","'],
  ['KAFKA_SOURCE_TOPICS', 'rig,..', `KAFKA_SOURCE_TOPICS: in item 2: ${TOPIC}, or a pattern of those and "*"`],
  ['KAFKA_DEAD_LETTER_TOPIC', '.', `KAFKA_DEAD_LETTER_TOPIC: ${TOPIC}, got "."`],
  ['KAFKA_SOURCE_TOPICS', 'orders.*', `KAFKA_SOURCE_TOPICS: ${FIRST}, got "orders.*"`],
  [
    'KAFKA_SOURCE_TOPICS',
    'rig,orders.*',
    'KAFKA_SOURCE_TOPICS: a pattern needs a Kafka (KAFKA_BROKERS, KAFKA_REST_URL or UPSTASH_KAFKA_REST_URL); topics of the embedded log must be named',
  ],
  ['KAFKA_SOURCE_TOPICS', 'rig,a b', `KAFKA_SOURCE_TOPICS: in item 2: ${TOPIC}, or a pattern of those and "*"`],
  ['KAFKA_DEAD_LETTER_TOPIC', 'a b', `KAFKA_DEAD_LETTER_TOPIC: ${TOPIC}, got "a b"`],
  ['KAFKA_AUTO_OFFSET_RESET', 'first', 'KAFKA_AUTO_OFFSET_RESET: must be earliest or latest, got "first"'],
  ['PULL_MODE', 'push', 'PULL_MODE: must be continuous or scheduled, got "push"'],
  [
    'UPSTASH_KAFKA_REST_URL',
    'ftp://x',
    'UPSTASH_KAFKA_REST_URL: must be a URL such as https://example-rest-kafka.upstash.io',
  ],
  ['DEV_MODE', 'yes', 'DEV_MODE: must be true or false, got "yes"'],
])('%s = %s is a problem of one line', (name, value, line) => {
  expect(problemsOf({ [name]: value })).toEqual([line])
})

it('lists all problems at once', () => {
  const lines = problemsOf({
    SHARDS: 'x',
    JWT_ALG: 'none',
    PULL_MODE: 'x',
    EXTRACTORS: '{',
    KAFKA_BROKERS: 'kafka:9092',
  })
  const names = lines.map((line) => line.split(':')[0])
  expect(new Set(names)).toEqual(new Set(['EXTRACTORS', 'JWT_ALG', 'PULL_MODE', 'SHARDS']))
})

it('never repeats what may be a secret', () => {
  const secret = 'user:s3cret@'
  const registry = { KAFKA_SCHEMA_REGISTRY_HOST: `${secret} a`, KAFKA_SCHEMA_REGISTRY_TOKEN: `${secret} a` }
  const env = { JWT_JWKS_URL: secret, UPSTASH_KAFKA_REST_URL: secret, SHARDS: 'x'.repeat(1_000), ...registry }
  const lines = problemsOf(env)
  expect(lines).toHaveLength(5)
  expect(lines.join('\n')).not.toContain('s3cret')
  expect(lines.every((line) => line.length < 200)).toBe(true)
})

describe('the schema registry', () => {
  const registryOf = (env: object) => parsed(env).schemas.registry

  it('is RIG’s host, with or without a scheme, or a URL', () => {
    expect(registryOf({ KAFKA_SCHEMA_REGISTRY_HOST: 'registry:8081' })).toEqual({
      url: 'http://registry:8081',
      authorization: null,
      timeoutMs: 5_000,
    })
    expect(registryOf({ KAFKA_SCHEMA_REGISTRY_HOST: 'https://a.example' })?.url).toBe('https://a.example')
    expect(registryOf({ KAFKA_SCHEMA_REGISTRY_URL: 'https://a.example/apis/ccompat/v7/' })?.url).toBe(
      'https://a.example/apis/ccompat/v7',
    )
  })

  it('gets a user name and password, or a token: by https, or nearby', () => {
    const basic = `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode('u:pä:ß')))}`
    expect(registryOf({ ...REGISTRY, ...LOGIN })?.authorization).toBe(basic)
    expect(registryOf({ ...REGISTRY, KAFKA_SCHEMA_REGISTRY_TOKEN: 't.o-k' })?.authorization).toBe('Bearer t.o-k')
    for (const host of ['localhost:8081', '127.0.0.1:8081', 'registry:8081']) {
      expect(registryOf({ ...LOGIN, KAFKA_SCHEMA_REGISTRY_HOST: host })?.authorization).toBe(basic)
    }
  })
})

describe('contradictions', () => {
  it.each<[object, string]>([
    [{ UPSTASH_KAFKA_REST_URL: 'https://a.example' }, 'UPSTASH_KAFKA_REST_URL: needs UPSTASH_KAFKA_REST_USERNAME'],
    [{ UPSTASH_KAFKA_REST_USERNAME: 'a' }, 'UPSTASH_KAFKA_REST_USERNAME: needs UPSTASH_KAFKA_REST_URL'],
    [{ KAFKA_USERNAME: 'a' }, 'KAFKA_USERNAME: needs KAFKA_PASSWORD'],
    [{ KAFKA_PASSWORD: 'a' }, 'KAFKA_USERNAME: needs KAFKA_PASSWORD'],
    [{ JWT_JWKS_URL: 'https://a.example', JWT_SECRET_KEY: 'a' }, 'JWT_JWKS_URL: set either it or JWT_SECRET_KEY'],
    [{ JWT_JWKS_URL: 'https://a.example', JWT_ALG: 'HS256' }, 'JWT_ALG: must be RS*, PS*, ES* or EdDSA'],
    [{ JWT_SECRET_KEY: CERTIFICATE }, 'JWT_ALG: must name the algorithm of the public key'],
    [{ JWT_SECRET_KEY: CERTIFIED_PRIVATE_KEY, JWT_ALG: 'ES256' }, 'JWT_SECRET_KEY: is a private key'],
    [{ JWT_SECRET_KEY: 'text', JWT_ALG: 'RS256' }, 'JWT_SECRET_KEY: must be a PEM "PUBLIC KEY"'],
    [{ KAFKA_SOURCE_TOPICS: 'a,b', KAFKA_DEAD_LETTER_TOPIC: 'b' }, 'KAFKA_DEAD_LETTER_TOPIC: must not be one of'],
    [{ KAFKA_GROUP_ID: 'a' }, 'KAFKA_GROUP_ID: needs KAFKA_BROKERS'],
    [{ KAFKA_SERIALIZER: 'avro' }, 'KAFKA_SERIALIZER: needs KAFKA_SCHEMA_REGISTRY_URL'],
    [{ KAFKA_SERIALIZER: 'json', ...REGISTRY }, 'KAFKA_SERIALIZER: must be avro'],
    [{ ...REGISTRY, KAFKA_SCHEMA_REGISTRY_HOST: 'a:1' }, 'KAFKA_SCHEMA_REGISTRY_HOST: set either it or'],
    [{ KAFKA_SCHEMA_REGISTRY_HOST: 'not a host' }, 'KAFKA_SCHEMA_REGISTRY_HOST: must be host:port'],
    [{ KAFKA_SCHEMA_REGISTRY_URL: 'registry:8081' }, 'KAFKA_SCHEMA_REGISTRY_URL: must be a URL'],
    [{ KAFKA_SCHEMA_REGISTRY_URL: 'https://u:p@a.example' }, 'KAFKA_SCHEMA_REGISTRY_URL: must have no credentials'],
    [
      { KAFKA_SCHEMA_REGISTRY_URL: 'https://a.example?b' },
      'KAFKA_SCHEMA_REGISTRY_URL: must have no credentials, query',
    ],
    [{ ...REGISTRY, KAFKA_SCHEMA_REGISTRY_USERNAME: 'a' }, 'needs KAFKA_SCHEMA_REGISTRY_PASSWORD'],
    [{ ...REGISTRY, ...LOGIN, KAFKA_SCHEMA_REGISTRY_TOKEN: 't' }, 'KAFKA_SCHEMA_REGISTRY_TOKEN: set either it or'],
    [{ ...REGISTRY, KAFKA_SCHEMA_REGISTRY_TOKEN: 'a b' }, 'KAFKA_SCHEMA_REGISTRY_TOKEN: must be a bearer token'],
    [LOGIN, 'KAFKA_SCHEMA_REGISTRY_URL: must be set, because there are credentials'],
    [{ ...LOGIN, KAFKA_SCHEMA_REGISTRY_HOST: 'a.example:80' }, 'KAFKA_SCHEMA_REGISTRY_URL: must be https'],
  ])('%j is a problem', (env, line) => {
    const problems = problemsOf(env)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(line)
  })
})

describe('Kafka by its own protocol', () => {
  const KAFKA = { KAFKA_BROKERS: 'kafka:9092' }
  const MECHANISMS =
    'KAFKA_SASL: must be plain:user:password, scram-sha-256:user:password, scram-sha-512:user:password, oauthbearer or aws-msk-iam'
  const OAUTH = {
    KAFKA_OAUTH_TOKEN_URL: 'https://id.example/token',
    KAFKA_OAUTH_CLIENT_ID: 'a',
    KAFKA_OAUTH_CLIENT_SECRET: 'b',
  }
  const AWS = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' }
  const brokersOf = (env: object) => parsed({ ...KAFKA, ...env }).kafka.brokers

  it('is what is followed once brokers are set: nobody asks who we are, nothing is compressed', () => {
    expect(parsed({}).kafka.brokers).toBeNull()
    expect(brokersOf({ KAFKA_BROKERS: ' a.example:9092, 10.0.0.1:1 ,[::1]:65535,' })).toMatchObject({
      bootstrap: [
        { host: 'a.example', port: 9092 },
        { host: '10.0.0.1', port: 1 },
        { host: '[::1]', port: 65_535 },
      ],
      tls: false,
      sasl: null,
      compression: 'none',
    })
    expect(parsed(KAFKA).kafka.autoOffsetReset).toBe('latest')
  })

  it.each([
    ['plain:rigel:a:b', { mechanism: 'plain', username: 'rigel', password: 'a:b' }],
    ['PLAIN:rigel:secret', { mechanism: 'plain', username: 'rigel', password: 'secret' }],
    [
      'scram-sha-256:$ConnectionString:Endpoint=sb://a/;Key=b=',
      {
        mechanism: 'scram-sha-256',
        username: '$ConnectionString',
        password: 'Endpoint=sb://a/;Key=b=',
      },
    ],
    ['SCRAM-SHA-512:rigel:secret', { mechanism: 'scram-sha-512', username: 'rigel', password: 'secret' }],
  ])('KAFKA_SASL = %s says who we are', (value, sasl) => {
    expect(brokersOf({ KAFKA_SASL: value })?.sasl).toEqual(sasl)
    const elsewhere = { KAFKA_BROKERS: 'kafka.example:9093', KAFKA_SSL_ENABLED: 'true' }
    expect(brokersOf({ KAFKA_SASL: value, ...elsewhere })?.sasl).toEqual(sasl)
  })

  it('has credentials for tokens', () => {
    const oauth = { tokenUrl: 'https://id.example/token', clientId: 'a', clientSecret: 'b', scope: 'c' }
    expect(brokersOf({ KAFKA_SASL: 'oauthbearer', ...OAUTH, KAFKA_OAUTH_SCOPE: 'c' })).toMatchObject({ oauth })
    const aws = { region: 'eu-west-1', accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 't' }
    const env = { KAFKA_SASL: 'aws-msk-iam', KAFKA_SSL_ENABLED: 'true', ...AWS, AWS_SESSION_TOKEN: 't' }
    expect(brokersOf(env)).toMatchObject({ aws, tls: true })
  })

  it.each<[object, string]>([
    [
      { KAFKA_BROKERS: 'kafka' },
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092, got "kafka"',
    ],
    [
      { KAFKA_BROKERS: 'a:1,kafka:0' },
      'KAFKA_BROKERS: in item 2: must be host:port, as in broker-1.example.com:9092, got "kafka:0"',
    ],
    [
      { KAFKA_BROKERS: 'kafka:65536' },
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092, got "kafka:65536"',
    ],
    [
      { KAFKA_BROKERS: ':9092' },
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092, got ":9092"',
    ],
    [
      { KAFKA_BROKERS: 'kafka://a:9092' },
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092, got "kafka://a:9092"',
    ],
    [
      { KAFKA_BROKERS: 'rigel:s3cret@kafka:9092' },
      'KAFKA_BROKERS: in item 1: must be host:port, as in broker-1.example.com:9092',
    ],
    [{ KAFKA_SSL_ENABLED: 'yes' }, 'KAFKA_SSL_ENABLED: must be true or false, got "yes"'],
    [{ KAFKA_COMPRESSION: 'lz4' }, 'KAFKA_COMPRESSION: must be none, gzip or zstd, got "lz4"'],
    [{ KAFKA_SASL: 'plain' }, MECHANISMS],
    [{ KAFKA_SASL: 'plain:s3cret' }, MECHANISMS],
    [{ KAFKA_SASL: 'plain:rigel:' }, MECHANISMS],
    [{ KAFKA_SASL: 'scram-sha-1:rigel:s3cret' }, MECHANISMS],
    [{ KAFKA_SASL: 'oauthbearer:rigel:s3cret' }, MECHANISMS],
    [{ KAFKA_BROKERS: '', KAFKA_SASL: 'plain:rigel:s3cret' }, 'KAFKA_SASL: needs KAFKA_BROKERS'],
    [
      { KAFKA_SASL: 'oauthbearer' },
      'KAFKA_SASL: oauthbearer needs KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET',
    ],
    [
      { KAFKA_SASL: 'aws-msk-iam', KAFKA_SSL_ENABLED: 'true', AWS_REGION: 'eu-west-1' },
      'KAFKA_SASL: aws-msk-iam needs AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY',
    ],
    [
      { KAFKA_SASL: 'aws-msk-iam', ...AWS },
      'KAFKA_SASL: aws-msk-iam needs KAFKA_SSL_ENABLED: MSK takes it with TLS only',
    ],
    [
      { KAFKA_BROKERS: 'kafka:9092,kafka.example:9092', KAFKA_SASL: 'plain:rigel:s3cret' },
      'KAFKA_SASL: plain needs KAFKA_SSL_ENABLED, or everybody on the way could read the credentials',
    ],
    [
      { KAFKA_BROKERS: '[::1]:9092,[2001:db8::1]:9092', KAFKA_SASL: 'plain:rigel:s3cret' },
      'KAFKA_SASL: plain needs KAFKA_SSL_ENABLED, or everybody on the way could read the credentials',
    ],
    [
      { KAFKA_BROKERS: '10.0.0.1:9092', KAFKA_SASL: 'oauthbearer', ...OAUTH },
      'KAFKA_SASL: oauthbearer needs KAFKA_SSL_ENABLED, or everybody on the way could read the credentials',
    ],
    [
      { KAFKA_OAUTH_TOKEN_URL: 'id.example' },
      'KAFKA_OAUTH_TOKEN_URL: must be a URL such as https://id.example.com/oauth/token',
    ],
    [
      { KAFKA_SASL: 'oauthbearer', ...OAUTH, KAFKA_OAUTH_TOKEN_URL: 'http://[2001:db8::1]/token' },
      'KAFKA_OAUTH_TOKEN_URL: must be https, or everybody on the way could read the credentials',
    ],
    [
      { KAFKA_SASL: 'oauthbearer', ...OAUTH, KAFKA_OAUTH_TOKEN_URL: 'http://id.example/token' },
      'KAFKA_OAUTH_TOKEN_URL: must be https, or everybody on the way could read the credentials',
    ],
    ...['KAFKA_SSL_CA_CERTFILE', 'KAFKA_SSL_CERTFILE', 'KAFKA_SSL_KEYFILE', 'KAFKA_SSL_KEYFILE_PASS'].map(
      (name): [object, string] => [
        { [name]: 's3cret' },
        `${name}: Workers know public certificate authorities only, and no client certificates; unset it, and use KAFKA_SSL_ENABLED with KAFKA_SASL`,
      ],
    ),
  ])('%j is a problem of one line, without a secret', (env, line) => {
    const problems = problemsOf({ ...KAFKA, ...env })
    expect(problems).toEqual([line])
    expect(problems.join()).not.toContain('s3cret')
  })
})

const HTTPS = 'must be https, or everybody on the way could read the credentials'
const UPSTASH = { UPSTASH_KAFKA_REST_USERNAME: 'u', UPSTASH_KAFKA_REST_PASSWORD: 's3cret' }
const V3 = { KAFKA_REST_V3_CLUSTER: 'lkc-1', KAFKA_REST_V3_TOKEN: 's3cret' }

/** Every URL that secrets are sent to: its variable, what else it needs, and the problem. */
const SECRET_URLS: readonly (readonly [name: string, others: object, problem: string])[] = [
  ['KAFKA_SCHEMA_REGISTRY_URL', LOGIN, HTTPS],
  ['KAFKA_REST_URL', { KAFKA_REST_TOKEN: 's3cret' }, HTTPS],
  ['KAFKA_REST_V3_URL', V3, HTTPS],
  ['UPSTASH_KAFKA_REST_URL', UPSTASH, HTTPS],
  [
    'KAFKA_OAUTH_TOKEN_URL',
    {
      KAFKA_BROKERS: 'kafka:9092',
      KAFKA_SASL: 'oauthbearer',
      KAFKA_OAUTH_CLIENT_ID: 'i',
      KAFKA_OAUTH_CLIENT_SECRET: 's3cret',
    },
    HTTPS,
  ],
  ['JWT_JWKS_URL', {}, 'must be https, or anybody on the way could replace the keys'],
  ['SUBSCRIPTION_CHECK', {}, 'must be https, or everybody on the way could read the tokens and change the decision'],
  ['SUBMISSION_CHECK', {}, 'must be https, or everybody on the way could read the tokens and change the decision'],
]

describe.each(SECRET_URLS)('%s', (name, others, problem) => {
  it.each(['a.example', '10.0.0.1', '[2001:db8::1]', 'local.example', '128.0.0.1'])(
    'by http to %s is refused',
    (host) => {
      expect(problemsOf({ ...others, [name]: `http://${host}:8081/x` })).toEqual([`${name}: ${problem}`])
    },
  )

  it.each(['localhost', '127.0.0.1', '[::1]', 'registry', 'a.default.svc.cluster.local', 'a.internal', 'a.localhost'])(
    'by http to %s is accepted: it is this machine, or a private network',
    (host) => {
      expect(problemsOf({ ...others, [name]: `http://${host}:8081/x` })).toEqual([])
    },
  )

  it('by https is accepted', () => {
    expect(problemsOf({ ...others, [name]: 'https://a.example/x' })).toEqual([])
  })
})

describe('a public key', () => {
  const pem = (base64: string) => `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----`

  it.each(['AAAA', 'not base64!', ''])('that cannot be read is a problem: %j', (base64) => {
    expect(problemsOf({ JWT_ALG: 'RS256', JWT_SECRET_KEY: pem(base64) })).toEqual([
      'JWT_SECRET_KEY: must be a PEM public key or certificate: what is there cannot be read',
    ])
  })

  it('of RSA that is shorter than 2048 bits is a problem', async () => {
    const short = await pemOf({ name: 'RSASSA-PKCS1-v1_5', modulusLength: 1_024 })
    expect(problemsOf({ JWT_ALG: 'PS384', JWT_SECRET_KEY: short })).toEqual([
      'JWT_SECRET_KEY: must have 2048 bits or more for PS384, it has 1024',
    ])
  })

  it.each([
    ['RS256', 'must be an RSA key for RS256'],
    ['ES384', 'must be a key on the curve secp384r1 for ES384'],
    ['EdDSA', 'must be an Ed25519 key for EdDSA'],
  ])('of another kind than %s is a problem', (algorithm, problem) => {
    expect(problemsOf({ JWT_ALG: algorithm, JWT_SECRET_KEY: CERTIFICATE })).toEqual([`JWT_SECRET_KEY: ${problem}`])
  })

  it.each(['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'])('of %s is accepted', async (algorithm) => {
    const { pem: key } = await makeKeys(algorithm)
    expect(problemsOf({ JWT_ALG: algorithm, JWT_SECRET_KEY: key })).toEqual([])
    expect(problemsOf({ JWT_ALG: algorithm, JWT_SECRET_KEY: key.replaceAll('\n', '\\n') })).toEqual([])
  })
})

async function pemOf({ name, modulusLength }: { readonly name: string; readonly modulusLength: number }) {
  const algorithm = { name, modulusLength, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  const spki = new Uint8Array((await crypto.subtle.exportKey('spki', pair.publicKey)) as ArrayBuffer)
  return `-----BEGIN PUBLIC KEY-----\n${toBase64(spki)}\n-----END PUBLIC KEY-----`
}

describe('keys and tokens that are rotated', () => {
  it('are the new one and the old one', () => {
    const config = parsed({
      JWT_SECRET_KEY: 'new',
      JWT_SECRET_KEY_OLD: 'old',
      INTERNAL_TOKEN: `${'n'.repeat(16)},${'o'.repeat(16)}`,
    })
    expect([config.jwt.secret, config.jwt.oldSecret]).toEqual(['new', 'old'])
    expect(config.internalTokens).toEqual(['n'.repeat(16), 'o'.repeat(16)])
  })

  it.each([
    [{ JWT_SECRET_KEY_OLD: 's3cret' }, 'JWT_SECRET_KEY_OLD: needs JWT_SECRET_KEY, the key that replaces it'],
    [
      { JWT_ALG: 'ES256', JWT_SECRET_KEY: CERTIFICATE, JWT_SECRET_KEY_OLD: 's3cret' },
      'JWT_SECRET_KEY_OLD: must be a PEM "PUBLIC KEY" or "CERTIFICATE" for JWT_ALG ES256',
    ],
    [
      { INTERNAL_TOKEN: ['a', 'b', 'c'].map((letter) => letter.repeat(16)).join(',') },
      'INTERNAL_TOKEN: must be one token, or the new and the old one',
    ],
  ])('%j is a problem of one line, without the secret', (variables, line) => {
    expect(problemsOf(variables)).toEqual([line])
  })
})

describe('a variable without effect', () => {
  it.each([
    ['KAFKA_BROKER', 'KAFKA_BROKERS'],
    ['RECIPENTS', 'RECIPIENTS'],
    ['JWT_SECRET', 'JWT_SECRET_KEY'],
    ['jwt_alg', 'JWT_ALG'],
    ['EXTRACTOR', 'EXTRACTORS'],
    ['SHARD', 'SHARDS'],
    ['KAFKA_SOURCE_TOPIC', 'KAFKA_SOURCE_TOPICS'],
    ['LOG_RETENTION_SECOND', 'LOG_RETENTION_SECONDS'],
  ])('that is misspelt is told, with the right name: %s', (name, right) => {
    expect(warningsOf({ [name]: 'x' })).toEqual([
      `${name}: is not a variable of Rigel, and has no effect: did you mean ${right}?`,
    ])
  })

  it.each(['KINESIS_CLIENT_JAR', 'KINESIS_APP_NAME', 'INBOUND_PORT', 'LOG_LEVEL', 'NODE_COOKIE'])(
    'that only RIG has is told: %s',
    (name) => {
      expect(warningsOf({ [name]: 'x' })).toEqual([expect.stringMatching(`^${name}: is set, and has no effect: `)])
    },
  )

  it.each([
    [{ JWT_SECRET_KEY: 'short' }, ['JWT_SECRET_KEY: has 5 bytes;']],
    [{ JWT_SECRET_KEY: 'ä'.repeat(16) }, []],
    [{ JWT_SECRET_KEY: 'short', DEV_MODE: 'true' }, []],
    [{ JWT_SECRET_KEY: 'a PEM', JWT_ALG: 'RS256' }, []],
  ])('and a secret that can be guessed is told: %j', (variables, starts) => {
    expect(warningsOf(variables).map((line) => line.slice(0, 'JWT_SECRET_KEY: has 5 bytes;'.length))).toEqual(starts)
  })

  it.each(['BOOKS_URL', 'PATH', 'GITHUB_TOKEN', 'MY_API_KEY', 'REDIS_URL', 'SHARDS', 'DEV_MODE'])(
    'of somebody else, and one of Rigel, is not told: %s',
    (name) => {
      expect(warningsOf({ [name]: 'x', KINESIS_ENABLED: '', TOKEN_FROM_BINDING: {} })).toEqual([])
    },
  )
})

describe('bindings', () => {
  const bound = Object.fromEntries(DURABLE_OBJECTS.map((name) => [name, { idFromName: () => undefined }]))

  it('that are missing are problems beside those of the variables, and what is parsed is kept', () => {
    const env = { ...bound, DIRECTORY: undefined, USER_SHARD: 'a text', SHARDS: 'no' }
    const config = loadConfig(env)
    expect(config.ok ? [] : config.reason).toEqual([
      expect.stringMatching(/^SHARDS: /),
      expect.stringMatching(/^USER_SHARD: must be a Durable Object binding, and there is none; /),
      expect.stringMatching(/^DIRECTORY: must be a Durable Object binding, and there is none; /),
    ])
    expect(loadConfig(env)).toBe(config)
  })

  it('are those of wrangler.toml', () => {
    const bindings = wranglerToml.matchAll(/durable_objects\.bindings\]\]\nname = "(\w+)"/g)
    expect(new Set(Array.from(bindings, ([, name]) => name))).toEqual(new Set(DURABLE_OBJECTS))
  })
})

describe('the basis of tables', () => {
  const basis = (env: object) =>
    parsed({ KAFKA_SOURCE_TOPICS: 'rig,orders', TABLES: '{"a":{"topic":"orders"}}', ...env }).tablesBasis.get('a')

  it.each([
    ['TABLES', { TABLES: '{"a":{"topic":"orders","key":"record"}}' }],
    ['TYPES', { TYPES: '{"a":{"subscribe":"token"}}' }],
    ['EXTRACTORS', { EXTRACTORS: '{"a":{"n":{"event":{"json_pointer":"/data/n"}}}}' }],
    ['RECIPIENTS', { RECIPIENTS: '/data/user' }],
    ['RECIPIENTS', { RECIPIENTS: '{"a":"/data/user"}' }],
    ['TOPICS', { TOPICS: '{"orders":{"type":"order","data":{"n":"/n"}}}' }],
  ])('changes with %s, and only then', (_name, changed) => {
    expect([basis({}), basis(changed)]).toEqual([basis({}), basis({ ...changed, SHARDS: '8' })])
    expect(basis(changed)).not.toBe(basis({}))
  })

  it('does not change with another table, or with the rule of another topic', () => {
    const others = { TABLES: '{"a":{"topic":"orders"},"b":{"topic":"rig"}}', TOPICS: '{"rig":{"type":"order"}}' }
    expect(basis(others)).toBe(basis({}))
    expect(basis({ TOPICS: '{"*":{"type":"order"}}' })).not.toBe(basis({}))
  })

  it('changes with each member of the data of a topic', () => {
    const topics = (name: string) => ({ TOPICS: JSON.stringify({ orders: { type: 'order', data: { [name]: '/n' } } }) })
    expect(basis(topics('n'))).not.toBe(basis(topics('m')))
  })
})

describe('documentation', () => {
  it('of the development variables is a configuration that works', () => {
    const lines = devVars.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const variables = lines.map((line) => line.split(/=(.*)/s).slice(0, 2))
    expect(problemsOf(Object.fromEntries(variables) as object)).toEqual([])
  })

  it('names every variable', () => {
    const text = Object.values(SOURCES).join('\n')
    const known = [...new Set(text.match(/^ {2}[A-Z][A-Z0-9_]+(?=: )/gm) ?? [])].map((name) => name.trim())
    expect(known.length).toBeGreaterThan(30)
    expect(known.filter((name) => !documentation.includes(`\`${name}\``))).toEqual([])
  })
})
