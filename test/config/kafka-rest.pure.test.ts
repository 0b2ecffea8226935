// KAFKA_REST_*: what it makes of them, and what contradicts what.
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'

function kafkaOf(env: object) {
  const config = parseConfig(env)
  if (!config.ok) throw new Error(config.reason.join('\n'))
  return config.value.kafka
}

function problemsOf(env: object): readonly string[] {
  const config = parseConfig(env)
  return config.ok ? [] : config.reason
}

const PROXY = { KAFKA_REST_URL: 'https://rest.example.com/' }
const V3 = { KAFKA_REST_V3_URL: 'https://pkc-1.example.com/kafka/', KAFKA_REST_V3_CLUSTER: 'lkc-1' }

describe('a REST proxy', () => {
  it('is not followed unless it is named', () => {
    expect(kafkaOf({})).toMatchObject({ rest: null, restV3: null, autoOffsetReset: 'earliest' })
  })

  it('is followed by what is found out, from the end of its topics', () => {
    const rest = {
      url: 'https://rest.example.com',
      credentials: { kind: 'none' },
      dialect: null,
      binding: null,
      instanceHosts: [],
    }
    expect(kafkaOf(PROXY)).toMatchObject({ rest, autoOffsetReset: 'latest' })
  })

  it('may want a user, or a token; and have a dialect and hosts', () => {
    const user = { ...PROXY, KAFKA_REST_USERNAME: 'rigel', KAFKA_REST_PASSWORD: 'pass: word' }
    expect(kafkaOf(user).rest?.credentials).toEqual({ kind: 'basic', username: 'rigel', password: 'pass: word' })
    const token = { ...PROXY, KAFKA_REST_TOKEN: 't', KAFKA_REST_DIALECT: 'strimzi' }
    expect(kafkaOf(token).rest).toMatchObject({ credentials: { kind: 'bearer', token: 't' }, dialect: 'strimzi' })
    const hosts = { ...PROXY, KAFKA_REST_INSTANCE_HOSTS: 'rest-1.example.com, rest-2.example.com:8443' }
    expect(kafkaOf(hosts).rest?.instanceHosts).toEqual(['rest-1.example.com', 'rest-2.example.com:8443'])
  })
})

it('REST v3 may stand beside nothing, a proxy, and brokers', () => {
  const restV3 = { url: 'https://pkc-1.example.com/kafka', cluster: 'lkc-1', credentials: { kind: 'none' } }
  for (const other of [{}, PROXY, { KAFKA_BROKERS: 'kafka.example.com:9092' }]) {
    expect(kafkaOf({ ...V3, ...other })).toMatchObject({ restV3 })
  }
})

describe('what cannot be meant', () => {
  it.each<[object, string]>([
    [{ KAFKA_REST_URL: 'kafka:8082' }, 'KAFKA_REST_URL: must be a URL such as https://rest-proxy.example.com'],
    [{ KAFKA_REST_URL: 'https://rigel:s3cret@a.example' }, 'KAFKA_REST_URL: must have no user'],
    [{ KAFKA_REST_URL: 'https://a.example?x=s3cret' }, 'KAFKA_REST_URL: must have no user, no query'],
    [
      { ...PROXY, KAFKA_REST_DIALECT: 'upstash' },
      'KAFKA_REST_DIALECT: must be one of redpanda, confluent, karapace, strimzi',
    ],
    [{ ...PROXY, KAFKA_REST_TOKEN: 's3cret\n' }, 'KAFKA_REST_TOKEN: must be printable ASCII'],
    [{ ...PROXY, KAFKA_REST_INSTANCE_HOSTS: 'https://a.example' }, 'must be hosts such as rest-1.example.com:8443'],
    [{ ...PROXY, KAFKA_REST_USERNAME: 'a' }, 'KAFKA_REST_USERNAME: needs KAFKA_REST_PASSWORD'],
    [{ ...PROXY, KAFKA_REST_PASSWORD: 's3cret' }, 'KAFKA_REST_USERNAME: needs KAFKA_REST_PASSWORD'],
    [
      { ...PROXY, KAFKA_REST_USERNAME: 'a', KAFKA_REST_PASSWORD: 's3cret', KAFKA_REST_TOKEN: 's3cret' },
      'KAFKA_REST_TOKEN: cannot be set beside KAFKA_REST_USERNAME',
    ],
    [{ KAFKA_REST_URL: 'http://a.example', KAFKA_REST_TOKEN: 's3cret' }, 'KAFKA_REST_URL: must be https'],
    [{ KAFKA_REST_USERNAME: 'a' }, 'KAFKA_REST_USERNAME: needs KAFKA_REST_URL'],
    [{ KAFKA_REST_TOKEN: 's3cret' }, 'KAFKA_REST_TOKEN: needs KAFKA_REST_URL'],
    [{ KAFKA_REST_DIALECT: 'strimzi' }, 'KAFKA_REST_DIALECT: needs KAFKA_REST_URL'],
    [{ KAFKA_REST_INSTANCE_HOSTS: 'a.example' }, 'KAFKA_REST_INSTANCE_HOSTS: needs KAFKA_REST_URL'],
    [{ ...PROXY, KAFKA_BROKERS: 'kafka.example.com:9092' }, 'KAFKA_REST_URL: cannot be set beside KAFKA_BROKERS'],
    [
      {
        ...PROXY,
        UPSTASH_KAFKA_REST_URL: 'https://a.example',
        UPSTASH_KAFKA_REST_USERNAME: 'a',
        UPSTASH_KAFKA_REST_PASSWORD: 's3cret',
      },
      'KAFKA_REST_URL: cannot be set beside UPSTASH_KAFKA_REST_URL',
    ],
    [{ KAFKA_REST_V3_URL: 'https://a.example' }, 'KAFKA_REST_V3_URL: needs KAFKA_REST_V3_CLUSTER'],
    [{ KAFKA_REST_V3_KEY: 'a' }, 'KAFKA_REST_V3_KEY: needs KAFKA_REST_V3_URL'],
    [{ ...V3, KAFKA_REST_V3_KEY: 'a' }, 'KAFKA_REST_V3_KEY: needs KAFKA_REST_V3_SECRET'],
    [{ ...V3, KAFKA_REST_V3_CLUSTER: 'a/b' }, 'KAFKA_REST_V3_CLUSTER: must be a cluster id such as lkc-vo9pz'],
    [
      { ...V3, KAFKA_REST_V3_KEY: 'a', KAFKA_REST_V3_SECRET: 's3cret', KAFKA_REST_V3_TOKEN: 's3cret' },
      'KAFKA_REST_V3_TOKEN: cannot be set beside KAFKA_REST_V3_KEY',
    ],
    [
      { KAFKA_REST_V3_URL: 'http://a.example', KAFKA_REST_V3_CLUSTER: 'b', KAFKA_REST_V3_TOKEN: 's3cret' },
      'KAFKA_REST_V3_URL: must be https',
    ],
  ])('%j is a problem', (env, line) => {
    const problems = problemsOf(env)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(line)
    expect(problems[0]).not.toContain('s3cret')
  })

  it('leaves alone what stays on the machine', () => {
    expect(problemsOf({ KAFKA_REST_URL: 'http://127.0.0.1:8082', KAFKA_REST_TOKEN: 't' })).toEqual([])
  })
})

describe('a binding', () => {
  const BOUND = { ...PROXY, KAFKA_REST_BINDING: 'KAFKA_REST' }
  const KAFKA_REST = { fetch: () => undefined }

  it('is what the proxy is reached by, in clear text too', () => {
    const env = { ...BOUND, KAFKA_REST, KAFKA_REST_URL: 'http://proxy.example.com', KAFKA_REST_TOKEN: 'secret' }
    expect(kafkaOf(env).rest).toMatchObject({ binding: 'KAFKA_REST', url: 'http://proxy.example.com' })
    expect(kafkaOf(PROXY).rest).toMatchObject({ binding: null })
  })

  it('must be there, and be one', () => {
    const problem = 'KAFKA_REST_BINDING: must name an mtls_certificates, vpc_services or services binding'
    expect(problemsOf(BOUND).join()).toContain(problem)
    expect(problemsOf({ ...BOUND, KAFKA_REST: 'text' }).join()).toContain(problem)
    expect(problemsOf({ KAFKA_REST_BINDING: 'KAFKA_REST', KAFKA_REST })).toEqual([
      'KAFKA_REST_BINDING: needs KAFKA_REST_URL',
    ])
  })
})
