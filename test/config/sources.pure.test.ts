// NATS_*: what it makes of them, and what contradicts what; and rules for topics of other sources than Kafka.
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import { autoOffsetResetOf, followedTopics, isFollowedHere } from '../../src/config/sources/topic-roles.ts'

function configOf(env: object) {
  const config = parseConfig(env)
  if (!config.ok) throw new Error(config.reason.join('\n'))
  return config.value
}

function problemsOf(env: object): string {
  const config = parseConfig(env)
  return config.ok ? '' : config.reason.join('\n')
}

const NATS = { NATS_SERVERS: 'tls://nats.example.com', NATS_SOURCE_TOPICS: 'orders.>,rig' }

describe('NATS', () => {
  it('is not followed unless its servers are named', () => {
    expect(configOf({}).nats).toBeNull()
    expect(followedTopics(configOf({ NATS_SOURCE_TOPICS: 'orders' }))).not.toContain('nats:orders')
  })

  it.each([
    ['nats.example.com', { scheme: 'nats', host: 'nats.example.com', port: 4_222 }],
    ['nats://10.0.0.1:4333', { scheme: 'nats', host: '10.0.0.1', port: 4_333 }],
    ['TLS://nats.example.com/', { scheme: 'tls', host: 'nats.example.com', port: 4_222 }],
    ['wss://nats.example.com', { scheme: 'wss', host: 'nats.example.com', port: 443 }],
    ['ws://[::1]:9222', { scheme: 'ws', host: '[::1]', port: 9_222 }],
  ])('%s is a server', (address, server) => {
    expect(configOf({ NATS_SERVERS: address }).nats?.servers).toEqual([server])
  })

  it('is followed beside the embedded log, which has a topic of the same name', () => {
    const config = configOf(NATS)
    expect(followedTopics(config)).toEqual(['rig', 'nats:orders.>', 'nats:rig', 'rig-proxy-response'])
    expect(['rig', 'nats:rig'].map((topic) => isFollowedHere(config, topic))).toEqual([true, false])
  })

  it('starts at the end, unless the start is asked for', () => {
    expect(autoOffsetResetOf(configOf(NATS), 'nats:rig')).toBe('latest')
    expect(autoOffsetResetOf(configOf({ ...NATS, KAFKA_AUTO_OFFSET_RESET: 'earliest' }), 'nats:rig')).toBe('earliest')
    expect(autoOffsetResetOf(configOf(NATS), 'rig')).toBe('earliest')
  })

  it.each([
    [{ NATS_SERVERS: 'http://nats.example.com' }, 'NATS_SERVERS: in item 1: must be host:port, or nats://'],
    [{ NATS_SERVERS: 'nats://me:secret@nats.example.com' }, 'credentials are in NATS_USERNAME'],
    [{ NATS_SERVERS: 'nats://a:1,wss://b' }, 'NATS_SERVERS: must all be reached by TCP, or all by WebSocket'],
    [{ NATS_SERVERS: 'nats://a:1,tls://b:1' }, 'NATS_SERVERS: must all be tls://, or none'],
    [{ ...NATS, NATS_SOURCE_TOPICS: 'orders..paid' }, 'NATS_SOURCE_TOPICS: in item 1: must be a NATS subject'],
    [{ ...NATS, NATS_SOURCE_TOPICS: 'orders.>.paid' }, 'must be a NATS subject'],
    [{ ...NATS, NATS_USERNAME: 'me' }, 'NATS_USERNAME: needs NATS_PASSWORD'],
    [{ ...NATS, NATS_TOKEN: 't', NATS_USERNAME: 'me', NATS_PASSWORD: 'p' }, 'set one of'],
    [{ NATS_SERVERS: 'nats.example.com', NATS_TOKEN: 't' }, 'NATS_SERVERS: must be tls:// or wss://'],
    [{ NATS_TOKEN: 't' }, 'NATS_TOKEN: needs NATS_SERVERS'],
    [{ ...NATS, NATS_CREDS: 'a password' }, 'NATS_CREDS: must be the content of a .creds file'],
    [{ ...NATS, NATS_MODE: 'core', PULL_MODE: 'scheduled' }, 'NATS_MODE: core needs PULL_MODE=continuous'],
    [{ ...NATS, TOPICS: '{"nats:payments": "type p"}' }, 'is not one of NATS_SOURCE_TOPICS'],
  ])('%j is refused', (env, problem) => {
    expect(problemsOf(env)).toContain(problem)
  })

  it('never repeats a credential in a problem', () => {
    expect(problemsOf({ NATS_SERVERS: 'nats://me:hunter2@nats.example.com' })).not.toContain('hunter2')
    expect(problemsOf({ ...NATS, NATS_CREDS: 'hunter2' })).not.toContain('hunter2')
  })

  it('has rules of its own, by the name with its prefix', () => {
    const { topicRules } = configOf({ ...NATS, TOPICS: '{"nats:orders.>": "type order.{/kind}"}' })
    expect([...topicRules.keys()]).toEqual(['nats:orders.>'])
  })

  it('may be a target only where it is configured, and a reply comes from it only', () => {
    const route = (options: object) => JSON.stringify([{ id: 'a', routes: { 'POST /a': options } }])
    expect(problemsOf({ PROXY_CONFIG: route({ target: 'nats:orders' }) })).toContain('needs the variable NATS_SERVERS')
    const problem = (options: object) => problemsOf({ ...NATS, PROXY_CONFIG: route(options) })
    expect(problem({ target: 'nats:orders' })).toBe('')
    expect(problem({ target: 'nats:orders', response_from: 'nats' })).toBe('')
    expect(problem({ target: 'nats:orders.>' })).toContain('without * and >')
    expect(problem({ target: 'kafka:orders', response_from: 'nats' })).toContain('nats needs the target nats')
    expect(problem({ target: 'https://a.example', response_from: 'nats' })).toContain('nats needs the target nats')
    expect(problem({ target: 'nats:orders', response_from: 'kafka' })).toContain('cannot be kafka with the target nats')
  })

  it('may be a target in RIG’s format', () => {
    const endpoint = {
      id: 'e',
      method: 'POST',
      path_regex: '/a',
      target: 'nats',
      topic: 'orders',
      response_from: 'nats',
    }
    const api = (changed: object) => ({
      id: 'a',
      name: 'a',
      proxy: { target_url: 'localhost', port: 80 },
      version_data: { default: { endpoints: [{ ...endpoint, ...changed }] } },
    })
    expect(problemsOf({ ...NATS, PROXY_CONFIG: JSON.stringify([api({})]) })).toBe('')
    expect(problemsOf({ ...NATS, PROXY_CONFIG: JSON.stringify([api({ topic: undefined })]) })).toContain(
      'must be present',
    )
  })
})

const KINESIS = { KINESIS_ENABLED: 'true', AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }

describe('Kinesis', () => {
  it('is not followed unless it is enabled', () => {
    expect(configOf({ KINESIS_STREAM: 'clicks' }).kinesis.topics).toEqual([])
    expect(configOf(KINESIS).kinesis.topics).toEqual(['kinesis:RIG-outbound'])
    expect(configOf({ ...KINESIS, KINESIS_STREAM: 'a,b' }).kinesis.topics).toEqual(['kinesis:a', 'kinesis:b'])
  })

  it.each([
    [{ KINESIS_ENABLED: 'true' }, 'KINESIS_ENABLED: needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
    [{ ...KINESIS, KINESIS_STREAM: 'a stream' }, 'must be the name of a Kinesis stream'],
    [{ ...KINESIS, KINESIS_ENDPOINT: 'http://kinesis.example.com' }, 'KINESIS_ENDPOINT: must be https'],
    [{ ...KINESIS, KINESIS_AWS_REGION: 'Ireland' }, 'must be an AWS region such as eu-west-1'],
    [{ ...KINESIS, TOPICS: '{"kinesis:other": "type p"}' }, 'is not one of KINESIS_STREAM'],
  ])('%j is refused', (env, problem) => {
    expect(problemsOf(env)).toContain(problem)
  })

  it('may be a target with credentials, not followed too', () => {
    const api = (options: object) => JSON.stringify([{ id: 'a', routes: { 'POST /a': options } }])
    const credentials = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
    expect(problemsOf({ PROXY_CONFIG: api({ target: 'kinesis:a' }) })).toContain('needs the variable AWS_ACCESS_KEY_ID')
    expect(problemsOf({ ...credentials, PROXY_CONFIG: api({ target: 'kinesis:a' }) })).toBe('')
    const withSchema = { PROXY_CONFIG: api({ target: 'kinesis:a', schema: 'clicks-value' }) }
    expect(problemsOf({ ...credentials, ...withSchema })).toContain('schema: is not for the target kinesis')
  })
})
