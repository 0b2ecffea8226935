// Numbers that a double does not hold, and 1 beside "1": in constraints, claims, fields of events and recipients.
import { describe, expect, it } from 'vitest'
import { parseStructured } from '../../../src/core/events/cloud-event.ts'
import { extractFields, extractRecipients, type Extractors } from '../../../src/core/events/extractors.ts'
import type { StoredEvent } from '../../../src/core/events/stored-event.ts'
import { parseJson } from '../../../src/core/json.ts'
import { parsePointer } from '../../../src/core/json-pointer.ts'
import { stringifyScalars } from '../../../src/core/scalar.ts'
import { createFilter, matchesFilter } from '../../../src/core/subscriptions/filter.ts'
import { inferSubscriptions, parseSubscriptions } from '../../../src/core/subscriptions/parse-subscriptions.ts'
import { SubscriptionIndex } from '../../../src/core/subscriptions/subscription-index.ts'

const pointer = (text: string) => parsePointer(text) ?? []
const extractorsOf = (enforced: boolean): Extractors =>
  new Map([['t', [{ name: 'id', event: pointer('/data/id'), claim: pointer('/id'), enforced }]]])

function eventOf(id: string): StoredEvent {
  const json = `{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"id":${id}}}`
  const event = parseStructured(json)
  if (!event.ok) throw new Error(event.reason)
  const fields = extractFields(extractorsOf(false), 't', event.value.parsed)
  // The form that a follower sends and a shard stores.
  const stored = JSON.parse(JSON.stringify(structuredClone(fields))) as StoredEvent['fields']
  return { seq: 1, type: 't', json, fields: stored, recipients: null, connectionId: null }
}

function subscribe(condition: string, claims?: string, enforced = false) {
  const input = parseJson(`[{"eventType":"t","oneOf":[{"id":${condition}}]}]`)
  const rules = {
    limit: 10,
    extractors: extractorsOf(enforced),
    claims: parseJson(claims ?? '{}') as Record<string, unknown>,
  }
  return parseSubscriptions(input, rules)
}

/** What the live index and the filter of a replay say: they must agree. */
function matches(condition: string, id: string): boolean {
  const parsed = subscribe(condition)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.reason))
  const connection = { filter: createFilter('c', null, structuredClone(parsed.value)) }
  const index = new SubscriptionIndex<typeof connection>()
  index.add(connection)
  const event = eventOf(id)
  const live = index.match(event).has(connection)
  expect(matchesFilter(connection.filter, event)).toBe(live)
  return live
}

describe('a constraint', () => {
  it.each([
    ['9007199254740993', '9007199254740993', true],
    ['9007199254740993', '9007199254740992', false],
    ['9007199254740992', '9007199254740993', false],
    ['9007199254740993', '"9007199254740993"', false],
    ['1', '"1"', false],
    ['"1"', '1', false],
    ['1', '1.0', true],
    ['1.0', '1', true],
    ['1000', '1e3', true],
    ['9007199254740993.0', '9007199254740993', true],
    ['90071992547409930e-1', '9007199254740993', true],
    ['0.1', '0.10000000000000000001', false],
    ['""', '""', true],
    ['"\u00e9"', '"e\u0301"', false],
    ['{"in":[9007199254740993,"a"]}', '9007199254740993', true],
    ['{"in":[9007199254740993,"a"]}', '9007199254740994', false],
    ['{"ne":9007199254740993}', '9007199254740992', true],
    ['{"ne":9007199254740993}', '9007199254740993', false],
    ['{"gt":9007199254740992}', '9007199254740993', true],
    ['{"gt":9007199254740993}', '9007199254740993', false],
    ['{"gte":9007199254740993}', '9007199254740992', false],
    ['{"lt":9007199254740993}', '9007199254740992', true],
    ['{"lte":1}', '9007199254740993', false],
    ['{"lt":-9007199254740993}', '-9007199254740994', true],
    ['9007199254740993', '[1,9007199254740993]', true],
  ])('of %s and a field of %s: %s', (condition, id, expected) => {
    expect(matches(condition, id)).toBe(expected)
  })

  it('is shown with all of its digits', () => {
    const parsed = subscribe('{"in":[9007199254740993,1]}')
    expect(parsed.ok && stringifyScalars(parsed.value)).toBe(
      '[{"eventType":"t","oneOf":[{"id":{"in":[9007199254740993,1]}}]}]',
    )
  })

  it('is refused if it has more than 1,000 digits, or is the form in which such numbers are stored', () => {
    for (const condition of [
      '1e1000000000',
      '{"in":[1e1000000000]}',
      '{"gt":1e2000}',
      '{"number":"1"}',
      '{"ne":{"number":"1"}}',
    ])
      expect([condition, subscribe(condition).ok]).toEqual([condition, false])
  })
})

describe('a claim', () => {
  it('infers a subscription to its exact value', () => {
    const claims = parseJson('{"id":9007199254740993}') as Record<string, unknown>
    expect(inferSubscriptions(extractorsOf(false), claims)).toEqual([
      { eventType: 't', oneOf: [{ id: { number: '9007199254740993' } }] },
    ])
  })

  it.each([
    ['9007199254740993', '{"id":9007199254740993}', true],
    ['9007199254740992', '{"id":9007199254740993}', false],
    ['9007199254740993', '{"id":[1,9007199254740993]}', true],
    ['9007199254740993', '{"id":"9007199254740993"}', false],
  ])('holds a constraint of %s within %s: %s', (condition, claims, isAllowed) => {
    expect(subscribe(condition, claims, true).ok).toBe(isAllowed)
  })
})

describe('recipients', () => {
  const pointers = { byType: new Map(), all: pointer('/data/to') }
  const recipientsOf = (to: string) => {
    const event = parseStructured(`{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"to":${to}}}`)
    return event.ok ? extractRecipients(pointers, 't', event.value.parsed) : event
  }

  it.each([
    ['9007199254740993', ['9007199254740993']],
    ['[1,"1",1.0]', ['1']],
    ['[1e3,"1e3"]', ['1000', '1e3']],
    ['[9007199254740992,9007199254740993]', ['9007199254740992', '9007199254740993']],
  ])('of %s are the users %j', (to, users) => {
    expect(recipientsOf(to)).toEqual({ kind: 'users', users })
  })

  it.each(['""', '1e1000000000', '"\\ud800"', 'true', '{}', '[[1]]'])('of %s are invalid', (to) => {
    expect(recipientsOf(to)).toMatchObject({ kind: 'invalid' })
  })
})

describe('the id of an event before CloudEvents 1.0', () => {
  it('keeps the digits of a number', () => {
    const event = parseStructured('{"specversion":"0.2","id":9007199254740993,"source":"/","type":"t"}')
    expect(event.ok && event.value.id).toBe('9007199254740993')
  })
})

it('constraints are read until they are too long with the digits of their numbers written out', () => {
  const parse = (numbers: readonly string[]) => {
    const oneOf = numbers.map((id) => `{"id":${id}}`).join()
    const parsed = parseSubscriptions(parseJson(`[{"eventType":"t","oneOf":[${oneOf},{"none":1}]}]`), {
      limit: 10,
      extractors: extractorsOf(false),
    })
    return parsed.ok ? undefined : JSON.stringify(parsed.reason)
  }
  const long = Array.from({ length: 2_100 }, (_, n) => `${n + 1}e990`)
  expect(parse(long)).toContain('no longer than 2097152 characters')
  expect(parse(long.slice(0, 2_000))).toContain('unknown field')
  expect(parse(long.map((_, n) => `${n}`))).toContain('unknown field')
})

it('a claim that is added to each clause counts, too', () => {
  const teams = Array.from({ length: 100 }, (_, n) => `team ${n}`)
  const parse = (clauses: number) => {
    const oneOf = Array.from({ length: clauses }, () => ({}))
    const rules = { limit: 10, extractors: extractorsOf(true), claims: { id: teams } }
    const parsed = parseSubscriptions([{ eventType: 't', oneOf }], rules)
    return parsed.ok ? parsed.value[0]?.oneOf.length : JSON.stringify(parsed.reason)
  }
  expect(parse(1_000)).toBe(1_000)
  expect(parse(3_000)).toContain('no longer than 2097152 characters')
})
