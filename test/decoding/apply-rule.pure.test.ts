import { describe, expect, it } from 'vitest'
import { parseTopicRule } from '../../src/config/topics.ts'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { decodeByRule } from '../../src/decoding/apply-rule.ts'
import { describeDecodeError } from '../../src/decoding/decode-error.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

interface Parts {
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly limit?: number
}

function record(value: string | object | null, { headers = {}, key }: Parts = {}): LogRecord {
  return {
    topic: 'orders',
    partition: 0,
    offset: 3,
    timestampMs: 1_700_000_000_000,
    key: key === undefined ? null : bytes(key),
    headers: Object.entries(headers).map(([name, text]) => ({ key: name, value: bytes(text) })),
    value: value === null ? null : bytes(typeof value === 'string' ? value : JSON.stringify(value)),
  }
}

function apply(rule: unknown, value: string | object | null, parts: Parts = {}) {
  const parsed = parseTopicRule('orders', rule)
  if (parsed.rule === undefined) throw new Error(parsed.problems.join('; '))
  const decoded = decodeByRule(record(value, parts), parsed.rule, parts.limit ?? 10_000, null)
  if (!decoded.ok) return { code: decoded.reason.kind, reason: describeDecodeError(decoded.reason) }
  if (decoded.value === null) return 'dropped'
  return { event: decoded.value.event.parsed, recipients: decoded.value.recipients, json: decoded.value.event.json }
}

const EVENT = { specversion: '1.0', id: 'e1', source: '/s', type: 'given', data: { user: 'eve' } }

describe('a rule for plain JSON', () => {
  it.each([2 ** 62, 8_640_000_000_000_001, -1])('leaves out the time %d, which is no date', (timestampMs) => {
    const { rule } = parseTopicRule('orders', { type: 'order' })
    const decoded = decodeByRule({ ...record({ n: 1 }), timestampMs }, rule ?? null, 10_000, null)
    expect(decoded).toMatchObject({ ok: true, value: { event: { type: 'order' } } })
    expect(decoded.ok && decoded.value?.event.parsed).not.toHaveProperty('time')
  })

  it('makes an event with an id and time of the record, and its value as data, verbatim', () => {
    const value = '{ "kind":"created",\n "total": 12345678901234567890 }'
    expect(apply({ type: 'order.{/kind}' }, value)).toEqual({
      event: {
        specversion: '1.0',
        type: 'order.created',
        source: '/topics/orders',
        id: 'orders/0/3',
        time: '2023-11-14T22:13:20.000Z',
        datacontenttype: 'application/json',
        data: expect.objectContaining({ kind: 'created' }) as object,
      },
      recipients: null,
      json: expect.stringContaining(`"data":${value}}`) as string,
    })
  })

  it.each([
    ['a constant', 'order', {}, 'order'],
    ['a constant that looks like a place', '=topic', {}, 'topic'],
    ['a field', '/kind', {}, 'created'],
    ['a header, whatever its case', 'header:X-Type', { headers: { 'x-type': 'h' } }, 'h'],
    ['the topic', 'topic', {}, 'orders'],
    ['the key', 'key', { key: 'k1' }, 'k1'],
    ['a field of the key', 'key:/a/b', { key: '{"a":{"b":7}}' }, '7'],
    ['a part of the key', 'key user.{id}', { key: 'user.42' }, '42'],
    ['the first that there is', '/none | header:none | =last', {}, 'last'],
  ])('takes the type from %s', (_what, type, parts, expected) => {
    expect(apply({ type }, { kind: 'created' }, parts)).toMatchObject({ event: { type: expected } })
  })

  it('sets source, id, time, subject and extensions, and leaves members of the data out', () => {
    const rule = {
      type: 'order',
      source: '=/shop',
      id: '/id',
      time: '/at',
      subject: '/user',
      extensions: { tenant: 'header:tenant', count: '/n' },
      data: '/body',
      omit: ['/password', '/items/price'],
    }
    const value = {
      id: 5,
      at: 1_700_000_000_123,
      user: 'u',
      n: 3,
      body: { password: 'x', items: [{ price: 1, sku: 'a' }, { sku: 'b' }], note: null },
    }
    expect(apply(rule, value, { headers: { tenant: 't1' } })).toMatchObject({
      event: {
        source: '/shop',
        id: '5',
        time: '2023-11-14T22:13:20.123Z',
        subject: 'u',
        tenant: 't1',
        count: 3,
        data: { items: [{ sku: 'a' }, { sku: 'b' }], note: null },
      },
    })
  })

  it('is a dead letter that names the place where an attribute is missing', () => {
    expect(apply({ type: '/kind | header:type' }, {})).toEqual({
      code: 'rule_failed',
      reason: 'no type at /kind | header:type (rule "orders")',
    })
  })

  it.each(['not json', '', '{"a":'])('is a dead letter of %j, which is no JSON', (value) => {
    expect(apply({ type: 'x' }, value)).toMatchObject({ code: 'rule_failed' })
  })

  it('cannot send an event that only Rigel may send', () => {
    expect(apply({ type: '/t' }, { t: 'rig.session_killed' })).toMatchObject({ code: 'rule_failed' })
  })

  it('is a dead letter beyond the limit', () => {
    expect(apply({ type: 'x' }, { a: 'y'.repeat(100) }, { limit: 90 })).toMatchObject({ code: 'too_large' })
  })

  it('leaves CloudEvents of both modes as they are', () => {
    expect(apply({ type: 'x' }, EVENT)).toMatchObject({ event: EVENT })
    const headers = { ce_specversion: '1.0', ce_id: '1', ce_source: '/s', ce_type: 'given' }
    expect(apply({ type: 'x' }, { a: 1 }, { headers })).toMatchObject({ event: { type: 'given', data: { a: 1 } } })
  })
})

describe('recipients', () => {
  it.each([
    ['one user', '/user', { user: 'a' }, {}, ['a']],
    ['a list, each once', '/users', { users: ['a', 'b', 'a'] }, {}, ['a', 'b']],
    ['a number beyond 2^53', '/user', '{"user":9007199254740993}', {}, ['9007199254740993']],
    ['a number as its decimal', '/user', '{"user":42.0}', {}, ['42']],
    ['the key', 'key', {}, { key: 'a' }, ['a']],
    ['the key by a pattern', 'key user.{id}', {}, { key: 'user.a' }, ['a']],
    [
      'a header by a pattern',
      { header: 'to', pattern: '{id}@example.com' },
      {},
      { headers: { to: 'a@example.com' } },
      ['a'],
    ],
  ])('are %s', (_what, recipients, value, parts, expected) => {
    expect(apply({ type: 'x', recipients }, value, parts)).toMatchObject({ recipients: expected })
  })

  it.each([
    ['none', '/user', {}, {}],
    ['null', '/user', { user: null }, {}],
    ['an empty list', '/user', { user: [] }, {}],
    ['an empty name', '/user', { user: '' }, {}],
    ['an object', '/user', { user: { id: 1 } }, {}],
    ['a list with one that is none', '/user', { user: ['a', null] }, {}],
    ['no key', 'key', {}, {}],
    ['a key that does not match', 'key user.{id}', {}, { key: 'admin.a' }],
    ['a key of bytes: a Long', 'key', {}, { key: '\0\0\0\0\0\0\0*' }],
    ['a key in the wire format of a registry', 'key', {}, { key: '\0\0\0\0\u0001\u0002a' }],
  ])('that are %s make a dead letter, never a broadcast', (_what, recipients, value, parts) => {
    expect(apply({ type: 'x', recipients }, value, parts)).toMatchObject({ code: 'invalid_recipients' })
  })

  it('of CloudEvents are found in the event, and by the key', () => {
    expect(apply({ recipients: '/data/user' }, EVENT)).toMatchObject({ event: EVENT, recipients: ['eve'] })
    expect(apply({ recipients: 'key' }, EVENT, { key: 'a' })).toMatchObject({ recipients: ['a'] })
    expect(apply({ recipients: 'key' }, EVENT)).toMatchObject({ code: 'invalid_recipients' })
  })
})

describe('a filter', () => {
  it.each([
    ['holds', { '/public': true }, { public: true }, {}, true],
    ['does not hold', { '/public': true }, { public: false }, {}, false],
    ['finds nothing', { '/public': true }, {}, {}, false],
    ['compares', { '/n': { gt: 5 } }, { n: 6 }, {}, true],
    ['has two conditions', { '/n': { gt: 5 }, '/public': true }, { n: 6 }, {}, false],
    ['is one of two', [{ '/n': 1 }, { '/n': 2 }], { n: 2 }, {}, true],
    ['looks at a header', { 'header:op': { in: ['c', 'u'] } }, {}, { headers: { op: 'u' } }, true],
  ])('that %s decides whether there is an event', (_what, filter, value, parts, isPassed) => {
    const applied = apply({ type: 'x', filter }, value, parts)
    expect(applied === 'dropped').toBe(!isPassed)
  })

  it('drops before recipients are looked for', () => {
    expect(apply({ type: 'x', filter: { '/public': true }, recipients: '/user' }, {})).toBe('dropped')
  })
})

describe('a tombstone', () => {
  it('is a dead letter by default, dropped, or an event of its own', () => {
    expect(apply({ type: '/kind' }, null)).toMatchObject({ code: 'tombstone' })
    expect(apply({ type: '/kind', tombstones: 'drop' }, null)).toBe('dropped')
    const rule = { type: '/kind', tombstones: { type: 'order.deleted' }, recipients: 'key' }
    expect(apply(rule, null, { key: 'a' })).toMatchObject({
      event: { type: 'order.deleted', data: null },
      recipients: ['a'],
    })
  })
})

describe('a rule in one line', () => {
  it('has a field a clause', () => {
    const rule = 'type order.{/kind}, recipients key user.{id}, tombstones drop'
    expect(apply(rule, { kind: 'paid' }, { key: 'user.7' })).toMatchObject({
      event: { type: 'order.paid' },
      recipients: ['7'],
    })
    expect(apply(rule, null)).toBe('dropped')
  })
})

describe('a wrong rule', () => {
  it.each([
    [5, 'must be an object, or a line'],
    [{ type: 'x', recipient: '/user' }, '"recipient" is not a field of a rule'],
    [{ source: '=/s' }, 'source needs type'],
    [{ preset: 'kafka' }, 'preset must be one of debezium'],
    [{ type: '/a~2' }, 'type must be a JSON pointer'],
    [{ type: 'a.{b}' }, 'type must be a JSON pointer'],
    [{ type: 'a.{/b' }, 'type must be a JSON pointer'],
    [{ type: '' }, 'got nothing'],
    [{ type: 'x', recipients: 'key user.{a}.{b}' }, 'must have one place in braces'],
    [{ type: 'x', recipients: { json_pointer: 'user' } }, 'recipients must be {"json_pointer"'],
    [{ type: 'x', filter: {} }, 'filter must be an object'],
    [{ type: 'x', filter: { '/n': { more: 1 } } }, 'unknown operator "more"'],
    [{ type: 'x', extensions: { Tenant: 'key' } }, 'extensions: "Tenant" must be'],
    [{ type: 'x', extensions: { id: 'key' } }, 'extensions: "id" must be'],
    [{ type: 'x', omit: 'password' }, 'omit must be JSON pointers'],
    [{ type: 'x', format: 'xml' }, 'format must be one of json'],
    [{ type: 'x', tombstones: 'keep' }, 'tombstones must be'],
  ])('%j is named', (rule, problem) => {
    const { problems, rule: parsed } = parseTopicRule('orders', rule)
    expect(problems.join('; ')).toContain(problem)
    expect(parsed).toBeUndefined()
  })
})
