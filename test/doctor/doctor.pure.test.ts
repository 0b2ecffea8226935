// What `npm run doctor` says of a configuration, and of what a Kafka answers.
import { describe, expect, it } from 'vitest'
import { checkTopic, type TopicState } from '../../scripts/doctor/check-topics.ts'
import { checkVariables, checkWrangler, toEnv, type WranglerConfig } from '../../scripts/doctor/check-variables.ts'
import { render, summarise, type Finding } from '../../scripts/doctor/finding.ts'
import { routesOf, topicsInUse, type TopicUse } from '../../scripts/doctor/topics-in-use.ts'
import { DURABLE_OBJECTS } from '../../src/config/bindings.ts'
import { parseConfig } from '../../src/config/parse-config.ts'

const complete: WranglerConfig = {
  vars: {},
  durable_objects: { bindings: DURABLE_OBJECTS.map((name) => ({ name })) },
  services: [{ binding: 'BOOKS' }],
  ratelimits: [{ name: 'PROXY_RATE_LIMIT' }],
  triggers: { crons: ['* * * * *'] },
  assets: { binding: 'ASSETS' },
  queues: { producers: [{ binding: 'EVENTS_QUEUE', queue: 'events' }], consumers: [{ queue: 'events' }] },
  observability: { redact_query_string: true },
}
const safe = { JWT_SECRET_KEY: 'a secret of 32 bytes or more, yes', INTERNAL_TOKEN: 'a-token-of-16-letters' }

const lines = (findings: readonly Finding[]) =>
  findings.map(({ level, subject, text }) => `${level} ${subject}: ${text}`)

describe('variables and bindings', () => {
  const check = (wrangler: WranglerConfig, variables: Record<string, string>, isDeployed = false) =>
    lines(checkVariables(toEnv(wrangler, variables), isDeployed).findings)

  it('that are complete are one line', () => {
    expect(check(complete, safe)).toEqual(['ok variables: valid, and every Durable Object binding is there'])
  })

  it('may refer to service bindings and rate limits of the environment', () => {
    const routes = { 'GET /x': { target: 'service:BOOKS', rate_limit: {} } }
    const variables = { ...safe, PROXY_CONFIG: JSON.stringify([{ id: 'a', routes }]) }
    expect(check(complete, variables)).toHaveLength(1)
    expect(check({ ...complete, services: [], ratelimits: [] }, variables)).toEqual([
      'problem PROXY_CONFIG: in a/GET /x, target: names the service binding BOOKS, which wrangler.toml does not define',
    ])
  })

  it('are told all together: what is wrong, missing, misspelt or unsafe', () => {
    const wrangler = { ...complete, durable_objects: { bindings: complete.durable_objects.bindings.slice(1) } }
    const found = check(wrangler, { ...safe, SHARDS: 'x', KAFKA_BROKER: 'a:1' })
    expect(found).toEqual([
      'problem SHARDS: must be a whole number from 1 to 8192, got "x"',
      expect.stringMatching(/^problem USER_SHARD: must be a Durable Object binding/),
      'warning KAFKA_BROKER: is not a variable of Rigel, and has no effect: did you mean KAFKA_BROKERS?',
    ])
  })

  it('of development are a problem only where they are deployed', () => {
    const variables = { ...safe, DEV_MODE: 'true', SUBMISSION_CHECK: 'NO_CHECK' }
    expect(check(complete, variables)).toHaveLength(1)
    expect(check(complete, variables, true)).toEqual([
      expect.anything(),
      'problem DEV_MODE: is set: anybody gets a token for any user',
      expect.stringMatching(/^warning SUBMISSION_CHECK: /),
    ])
  })

  it('without keys refuse every token, which is told', () => {
    expect(check(complete, {})).toEqual([
      expect.anything(),
      expect.stringMatching(/^warning JWT_SECRET_KEY: .* every token is refused/),
      expect.stringMatching(/^warning INTERNAL_TOKEN: /),
    ])
  })
})

describe('a configuration of wrangler', () => {
  it('that is complete is silent', () => expect(checkWrangler(complete)).toEqual([]))

  it.each<[Partial<WranglerConfig>, string]>([
    [{ triggers: {} }, 'warning triggers.crons'],
    [{ assets: undefined }, 'warning assets'],
    [{ observability: {} }, 'warning observability.redact_query_string'],
    [{ queues: { producers: [{ binding: 'EVENTS_QUEUE', queue: 'events' }] } }, 'problem queues'],
  ])('without %j is told', (part, start) => {
    expect(lines(checkWrangler({ ...complete, ...part }))).toEqual([expect.stringContaining(`${start}: `)])
  })
})

describe('topics', () => {
  const uses = (variables: Record<string, string>) => {
    const config = parseConfig(variables)
    if (!config.ok) throw new Error(config.reason.join())
    return topicsInUse(config.value, routesOf(config.value, variables)).map(
      ({ access, by, topic }) => `${access} ${topic} for ${by}`,
    )
  }

  it('are followed, published to, and for dead letters', () => {
    expect(uses({ KAFKA_SOURCE_TOPICS: 'a,b' })).toEqual([
      'read a for KAFKA_SOURCE_TOPICS',
      'read b for KAFKA_SOURCE_TOPICS',
      'write a for POST /_rig/v1/events',
      'write rig-dead-letter for KAFKA_DEAD_LETTER_TOPIC',
    ])
  })

  it('are those of routes and the request log as well, each once', () => {
    const routes = {
      'POST /x': { target: 'kafka:orders', response_from: 'kafka' },
      'PUT /x': { target: 'kafka:orders' },
    }
    const variables = { REQUEST_LOG: 'kafka', PROXY_CONFIG: JSON.stringify([{ id: 'a', routes }]) }
    expect(uses(variables).slice(1)).toEqual([
      'read rig-proxy-response for PROXY_KAFKA_RESPONSE_TOPICS',
      'write rig for POST /_rig/v1/events',
      'write rig-dead-letter for KAFKA_DEAD_LETTER_TOPIC',
      'write rig-request-log for REQUEST_LOG',
      'write orders for the route a/POST /x',
    ])
  })

  const use: TopicUse = { topic: 'orders', access: 'read', by: 'KAFKA_SOURCE_TOPICS', isVital: true }
  const fine: TopicState = { partitions: 4, leaderless: 0, mayRead: true, mayWrite: false, error: null }

  it.each<[string, TopicUse, TopicState | undefined, string]>([
    ['that may be read', use, fine, 'ok 4 partitions, read, for KAFKA_SOURCE_TOPICS'],
    [
      'without knowledge of ACLs',
      use,
      { ...fine, mayRead: null },
      'ok 4 partitions, read, for KAFKA_SOURCE_TOPICS; whether ACLs allow it is not known',
    ],
    [
      'that may not be written',
      { ...use, access: 'write' },
      fine,
      'problem may not be written, for KAFKA_SOURCE_TOPICS',
    ],
    [
      'that may not be written, of one route',
      { ...use, access: 'write', isVital: false },
      fine,
      'warning may not be written, for KAFKA_SOURCE_TOPICS',
    ],
    ['that does not exist', use, undefined, 'problem does not exist (read, for KAFKA_SOURCE_TOPICS)'],
    ['without leaders', use, { ...fine, leaderless: 1 }, 'problem 1 of 4 partitions have no leader'],
    [
      'that may not be described',
      use,
      { ...fine, error: 'TOPIC_AUTHORIZATION_FAILED' },
      'problem TOPIC_AUTHORIZATION_FAILED (read, for KAFKA_SOURCE_TOPICS)',
    ],
  ])('%s', (_name, asked, state, expected) => {
    const { level, text, todo } = checkTopic(asked, state)
    expect(`${level} ${text}`).toBe(expected)
    expect(todo !== undefined).toBe(level !== 'ok')
  })
})

it('a finding says what to do, and the last line counts', () => {
  const findings: Finding[] = [
    { level: 'problem', subject: 'broker a:1', text: 'no answer', todo: 'open the port' },
    { level: 'ok', subject: 'Kafka', text: 'answers' },
  ]
  expect(findings.map(render)).toEqual([
    'PROBLEM  broker a:1: no answer\n         → open the port',
    'ok       Kafka: answers',
  ])
  expect(summarise(findings)).toBe('1 problems, 0 warnings, 1 ok')
})
