import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import { topicRuleOf } from '../../src/config/topics.ts'

const problemsOf = (vars: object) => {
  const config = parseConfig(vars)
  return config.ok ? [] : config.reason
}

describe('TOPICS', () => {
  it('has a rule for a topic, and one for all others', () => {
    const TOPICS = { orders: 'type order, recipients key', '*': { type: 'topic' } }
    const config = parseConfig({ KAFKA_SOURCE_TOPICS: 'orders,users', TOPICS })
    if (!config.ok) throw new Error(config.reason.join('; '))
    const { topicRules } = config.value
    expect(topicRuleOf(topicRules, 'orders')?.name).toBe('orders')
    expect(topicRuleOf(topicRules, 'users')?.name).toBe('*')
  })

  it('is optional: without it topics hold CloudEvents', () => {
    const config = parseConfig({})
    expect(config.ok && topicRuleOf(config.value.topicRules, 'rig')).toBeNull()
  })

  it.each([
    [{ TOPICS: '{' }, 'TOPICS: must be JSON'],
    [{ TOPICS: [] }, 'TOPICS: must be a JSON object'],
    [{ TOPICS: { rig: {}, order: 'type x' } }, 'TOPICS: in order: is not one of KAFKA_SOURCE_TOPICS'],
    [{ TOPICS: { 'a b': 'type x' } }, 'TOPICS: in a b: must be the name of a topic'],
    [{ TOPICS: { rig: 'type {x}, recipients' } }, 'TOPICS: in rig: preset must be one of debezium'],
    [{ TOPICS: { rig: { type: '/a~' } } }, 'TOPICS: in rig: type must be a JSON pointer'],
  ])('%j is refused at start by name', (vars, problem) => {
    expect(problemsOf(vars).join('\n')).toContain(problem)
  })

  it('names every problem of a rule', () => {
    expect(problemsOf({ TOPICS: { rig: { typ: 'x', recipients: '/~' } } })).toHaveLength(2)
  })
})

describe('EXTRACTORS', () => {
  it.each([{ key: true }, { key: '/id' }, { header: 'X-Tenant' }, { json_pointer: '/data/a' }])(
    'takes a field from %j',
    (event) => expect(problemsOf({ EXTRACTORS: { order: { field: { event } } } })).toEqual([]),
  )

  it.each([{ key: false }, { header: '' }, { header: 'a', key: true }])('does not take a field from %j', (event) => {
    expect(problemsOf({ EXTRACTORS: { order: { field: { event } } } }).join()).toContain('must be {"json_pointer"')
  })
})
