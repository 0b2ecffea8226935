import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'

const EXTRACTORS = { 'order.*': { tenant: { event: { json_pointer: '/data/tenant' } } } }

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
    [{ a: { subscribe: 'everybody' } }, 'TYPES: in a, subscribe: must be "anybody", "nobody", "token"'],
    [{ a: { subscribe: { claim: 'tenant', field: 'tenant' } } }, 'TYPES: in a, subscribe: must be "anybody"'],
    [{ a: { read: 'anybody' } }, 'TYPES: in a: must be an object with any of "subscribe", "history"'],
    [{ a: { presence: { claim: '/tenant', field: 'x' } } }, 'TYPES: in a: presence must not name a claim'],
    [{ a: { max_bytes: 2_000_000 } }, 'TYPES: in a, max_bytes: must be a whole number of bytes from 1 to 1048576'],
    [{ a: { max_per_second: 0.5 } }, 'TYPES: in a, max_per_second: must be a whole number of events'],
    [{ a: { hook: 'hooks.test' } }, 'TYPES: in a, hook: must be a URL such as https://'],
    [{ a: { hook: 'http://hooks.example.com/' } }, 'TYPES: in a: hook must be https'],
    [{ a: { lifetime_seconds: 0 } }, 'TYPES: in a, lifetime_seconds: must be a whole number of seconds from 1'],
    [
      { 'order.*': { subscribe: { claim: '/tenant', field: 'tenent' } } },
      'TYPES: in order.*: field "tenent" must be one that EXTRACTORS reads: tenant',
    ],
  ])('%j is refused, saying what would be right', (types, problem) => {
    expect(problemsOf(types)).toEqual([expect.stringContaining(problem)])
  })
})
