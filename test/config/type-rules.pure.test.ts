import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'

const EXTRACTORS = {
  'order.*': { tenant: { event: { json_pointer: '/data/tenant' } } },
  'keyed.*': { id: { event: { key: true } } },
}

const problemsOf = (TYPES: unknown) => {
  const config = parseConfig({ EXTRACTORS, TYPES })
  return config.ok ? [] : config.reason
}

describe('TYPES', () => {
  it('is optional, and merges the members of all patterns that match a type, narrowest first', () => {
    expect(parseConfig({})).toMatchObject({ value: { typeRules: null } })
    const config = parseConfig({
      EXTRACTORS,
      TYPES: {
        '*': { subscribe: 'token', lifetime_seconds: 60 },
        'order.*': { subscribe: [{ role: 'admin' }, { claim: '/tenant', field: 'tenant' }] },
        'order.public': { subscribe: 'anybody', history: 'nobody' },
      },
    })
    if (!config.ok) throw new Error(config.reason.join('; '))
    const rules = config.value.typeRules
    expect(rules?.ruleOf('other')).toEqual({ subscribe: [{ kind: 'token' }], lifetimeMs: 60_000 })
    expect(rules?.ruleOf('order.new')).toEqual({
      subscribe: [
        { kind: 'role', name: 'admin' },
        { kind: 'claim', claim: '/tenant', field: 'tenant' },
      ],
      lifetimeMs: 60_000,
    })
    expect(rules?.ruleOf('order.public')).toEqual({
      subscribe: [{ kind: 'anybody' }],
      history: [],
      lifetimeMs: 60_000,
    })
    expect(rules?.claims).toEqual(['/tenant'])
  })

  it.each([
    ['{', 'TYPES: must be JSON'],
    [[], 'TYPES: must be a JSON object'],
    [{ 'order.*.x.*': {} }, 'TYPES: in order.*.x.*: a pattern has one star'],
    [{ '*.created': { subscribe: 'nobody' } }, 'TYPES: in *.created: a pattern has one star, behind its last dot'],
    [{ 'order*': { subscribe: 'nobody' } }, 'TYPES: in order*: a pattern has one star, behind its last dot'],
    [{ ' order.*': { subscribe: 'nobody' } }, 'TYPES: in  order.*: must not begin or end with a space'],
    [{ 'rig.*': { subscribe: 'nobody' } }, "TYPES: in rig.*: Rigel's own events have no rules"],
    ['{"a":{"subscribe":"nobody"},"a":{"max_bytes":5}}', 'TYPES: has "a" twice in one object'],
    ['{"a":{"publish":"nobody","x\\"":[{}],"publish":"token"}}', 'TYPES: has "publish" twice in one object'],
    [{ a: { subscribe: 'everybody' } }, 'TYPES: in a, subscribe: must be "anybody", "nobody", "token"'],
    [{ a: { subscribe: { claim: 'tenant', field: 'tenant' } } }, 'TYPES: in a, subscribe: must be "anybody"'],
    [{ a: { read: 'anybody' } }, 'TYPES: in a: must be an object with any of "subscribe", "history"'],
    [{ a: { presence: { claim: '/tenant', field: 'x' } } }, 'TYPES: in a: presence must not name a claim'],
    [{ a: { max_bytes: 2_000_000 } }, 'TYPES: in a, max_bytes: must be a whole number of bytes from 1 to 1048576'],
    [{ a: { max_per_second: 0.5 } }, 'TYPES: in a, max_per_second: must be a whole number of events'],
    [{ a: { hook: 'hooks.test' } }, 'TYPES: in a, hook: must be a URL such as https://'],
    [{ a: { hook: 'http://hooks.example.com/' } }, 'TYPES: in a: hook must be https'],
    [
      { 'keyed.*': { subscribe: { claim: '/sub', field: 'id' }, publish: { claim: '/sub', field: 'id' } } },
      'TYPES: in keyed.*: publish must not name "id", which is read from a record',
    ],
    [{ a: { lifetime_seconds: 0 } }, 'TYPES: in a, lifetime_seconds: must be a whole number of seconds from 1'],
    [
      { 'order.*': { subscribe: { claim: '/tenant', field: 'tenent' } } },
      'TYPES: in order.*: field "tenent" must be one that EXTRACTORS reads: tenant',
    ],
  ])('%j is refused, saying what would be right', (types, problem) => {
    expect(problemsOf(types)).toEqual([expect.stringContaining(problem)])
  })
})

describe('TABLES', () => {
  const problems = (TABLES: unknown) => {
    const config = parseConfig({ TABLES, KAFKA_SOURCE_TOPICS: 'rig,orders-*', KAFKA_BROKERS: 'kafka:9092' })
    return config.ok ? [] : config.reason
  }

  it('have one topic: not all of them', () => {
    expect(problems({ a: { topic: '*' } })).toEqual(['TABLES: in a: topic must be the name of a topic'])
  })

  it('takes tables of topics that are followed, also by a pattern', () => {
    expect(problems({ a: { topic: 'rig' }, 'b.c': { topic: 'orders-1', key: 'record' } })).toEqual([])
  })

  it.each([
    [{ a: { topic: 'order' } }, 'TABLES: in a: topic is not one of KAFKA_SOURCE_TOPICS, so the table would stay empty'],
    [{ a: { topic: 'nats:a' } }, 'TABLES: in a: topic must be one of Kafka, or of the embedded log'],
    [{ a: {} }, 'TABLES: in a, topic: must be the name of a topic'],
    [{ 'a.*': { topic: 'rig' } }, 'TABLES: a.* must be an event type'],
    [{ '*.a': { topic: 'rig' } }, 'TABLES: *.a must be an event type'],
    [{ 'rig.a': { topic: 'rig' } }, 'TABLES: rig.a must be an event type'],
    ['{"a":{"topic":"rig"},"a":{"topic":"rig"}}', 'TABLES: has "a" twice in one object'],
  ])('%j is refused, saying what would be right', (tables, problem) => {
    expect(problems(tables)).toEqual([expect.stringContaining(problem)])
  })
})
