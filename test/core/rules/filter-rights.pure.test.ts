// Rules refuse a subscription if none of its events could be delivered. They also say who has presence.
import { describe, expect, it } from 'vitest'
import { checkRights, hasPresence, mayWithholdHistory, rightsOf } from '../../../src/core/rules/filter-rights.ts'
import { NO_GRANT, type TypeGrant } from '../../../src/core/rules/type-grant.ts'
import { makeConfig } from '../../support/make-tokens.ts'

function isTaken(types: object | null, eventType: string, grant: Partial<TypeGrant> = {}): boolean {
  const { typeRules } = types === null ? makeConfig() : makeConfig({ TYPES: JSON.stringify(types) })
  const rights = rightsOf(typeRules, [{ ...NO_GRANT, ...grant }])
  return checkRights(rights, [{ eventType, oneOf: [] }]).ok
}

describe('a subscription to a pattern', () => {
  const rules = { '*': { subscribe: 'token' }, 'price.*': { subscribe: 'anybody' }, 'a.b': { subscribe: 'nobody' } }

  it('is taken if a narrower rule lets its client in, and refused if none does', () => {
    for (const type of ['*', 'price.*', 'price.eur']) expect([type, isTaken(rules, type)]).toEqual([type, true])
    for (const type of ['order.*', 'a.*', 'a.b', 'pric.*']) expect([type, isTaken(rules, type)]).toEqual([type, false])
    expect(isTaken(rules, 'a.*', { hasToken: true })).toBe(true)
    expect(isTaken(rules, 'a.b', { hasToken: true })).toBe(false)
  })

  it('is refused if what its token narrows to is forbidden, or is not in it', () => {
    const narrowed = (subscribe: readonly string[]) => ({ hasToken: true, only: { subscribe } })
    expect(isTaken(rules, '*', narrowed(['a.b']))).toBe(false)
    expect(isTaken(rules, 'a.*', narrowed(['a.b', 'c']))).toBe(false)
    expect(isTaken(rules, '*', narrowed(['a.b', 'c']))).toBe(true)
    expect(isTaken(rules, 'a.b.*', narrowed(['a.*']))).toBe(true)
    expect(isTaken(null, 'd.*', narrowed(['c.*']))).toBe(false)
    expect(isTaken(null, '*', narrowed([]))).toBe(false)
  })
})

describe('a refusal', () => {
  it.each([
    ['anybody', {}, 'subscribe a: the token narrows to other types'],
    ['token', { hasToken: true }, 'subscribe a: the token narrows to other types'],
    [{ role: 'admin' }, {}, 'subscribe a: allowed: the role "admin"'],
    ['nobody', {}, 'subscribe a: allowed: nobody'],
  ])('says what is missing where the rule is %j and the token narrows', (subscribe, grant, message) => {
    const { typeRules } = makeConfig({ TYPES: JSON.stringify({ '*': { subscribe } }) })
    const rights = rightsOf(typeRules, [{ ...NO_GRANT, ...grant, only: { subscribe: ['b'] } }])
    const refused = checkRights(rights, [{ eventType: 'a', oneOf: [] }])
    expect(refused).toEqual({ ok: false, reason: { kind: 'type_forbidden', message } })
  })
})

describe('presence', () => {
  it('is on the channels that a token names, not on that of a wider pattern', () => {
    const config = makeConfig({ TYPES: JSON.stringify({ 'room.*': { presence: 'token' } }) })
    const rights = rightsOf(config.typeRules, [{ ...NO_GRANT, hasToken: true, only: { presence: ['room.a'] } }])
    expect(['room.a', 'room.b', 'room.*'].map((type) => hasPresence(rights, type))).toEqual([true, false, false])
  })
})

describe('history may be kept from a client', () => {
  const types = {
    'a.*': { history: 'nobody' },
    'b.c': { history: { role: 'reader' } },
    d: { subscribe: { claim: '/t', field: 't' }, history: { claim: '/t', field: 't' } },
    e: { subscribe: 'nobody', history: 'nobody' },
  }
  const EXTRACTORS = JSON.stringify({ d: { t: { stable_field_index: 0, event: { json_pointer: '/data/t' } } } })
  const isKept = (eventType: string, grant: Partial<TypeGrant> = {}, isAddressed = false) => {
    const rights = rightsOf(makeConfig({ TYPES: JSON.stringify(types), EXTRACTORS }).typeRules, [
      { ...NO_GRANT, ...grant },
    ])
    return mayWithholdHistory(rights, [{ eventType, oneOf: [] }], isAddressed)
  }

  it('if it asks for a type, or a pattern with one, whose history is not for it', () => {
    for (const type of ['a.x', 'a.*', '*', 'b.c', 'b.*']) expect([type, isKept(type)]).toEqual([type, true])
    for (const type of ['x', 'b.x', 'd', 'e']) expect([type, isKept(type)]).toEqual([type, false])
    expect(isKept('b.*', { roles: ['reader'] })).toBe(false)
  })

  it('if its token narrows it, or events of any type are addressed to its user', () => {
    expect([isKept('x', { only: { history: ['y'] } }), isKept('x', { only: { history: ['x'] } })]).toEqual([
      true,
      false,
    ])
    expect(isKept('x', {}, true)).toBe(true)
  })
})
