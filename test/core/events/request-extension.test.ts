// What subscribers are shown of a request that became an event.
import { describe, expect, it } from 'vitest'
import { parseStructured } from '../../../src/core/events/cloud-event.ts'
import { withoutCredentials, withoutCredentialsOfRecord } from '../../../src/core/events/request-extension.ts'

function shown(rig: unknown, more: object = {}) {
  const json = JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', rig, ...more })
  const event = parseStructured(json)
  if (!event.ok) throw new Error(event.reason)
  const stripped = withoutCredentials(event.value)
  expect(JSON.parse(stripped.json)).toEqual(stripped.parsed)
  return stripped.parsed['rig']
}

describe('a request that became an event', () => {
  it('loses the headers with credentials, however they are spelt, and keeps the others', () => {
    const headers = [
      ['Authorization', 'Bearer x'],
      ['cookie', 'a=b'],
      ['proxy_authorization', 'Basic x'],
      ['accept', '*/*'],
    ]
    expect(shown({ headers, method: 'GET' })).toEqual({ headers: [['accept', '*/*']], method: 'GET' })
  })

  it('loses them where another producer writes headers as an object, and all of what is no headers', () => {
    expect(shown({ headers: { Authorization: 'Bearer x', COOKIE: 'a=b', accept: '*/*' } })).toEqual({
      headers: { accept: '*/*' },
    })
    for (const headers of ['authorization: Bearer x', 1, null]) expect(shown({ headers })).toEqual({ headers: [] })
  })

  it('loses the header and the parameter in which its route looks for a token', () => {
    const rig = {
      headers: [
        ['x-api-key', 'secret'],
        ['x-other', '1'],
      ],
      query: 'a=1&access%5Ftoken=secret&access_token=secret&b=2',
      token_in: { header: 'x-api-key', query: 'access_token' },
    }
    expect(shown(rig)).toEqual({ headers: [['x-other', '1']], query: 'a=1&b=2' })
  })

  it('loses headers and parameters whose names say that they are credentials, where its route looks for none', () => {
    const secrets = [
      'x-api-key',
      'apikey',
      'X_Auth_Token',
      'x-phoenix-authtoken',
      'cf-access-jwt-assertion',
      'x-secret',
    ]
    const kept = ['x-tokens', 'x-keyed', 'accept', 'x-signature-age']
    const headers = [...secrets, 'sec-websocket-protocol', ...kept].map((name) => [name, 'x'])
    const query = 'jwt=x&token=x&a=1&access_token=x&api%5Fkey=x&X-Amz-Signature=x&b=token'
    expect(shown({ headers, query })).toEqual({ headers: kept.map((name) => [name, 'x']), query: 'a=1&b=token' })
  })

  it('loses the correlation, by which anybody could answer it', () => {
    expect(shown({ correlation: 'c', host: 'h' })).toEqual({ host: 'h' })
  })

  it('loses them where the extension is JSON text, as in binary mode', () => {
    expect(shown(JSON.stringify({ headers: [['authorization', 'x']], method: 'GET', correlation: 'c' }))).toBe(
      '{"headers":[],"method":"GET"}',
    )
    expect(shown('no JSON')).toBe('no JSON')
  })

  it('loses entries that are no header', () => {
    expect(shown({ headers: ['authorization: x', { authorization: 'x' }, ['a', 'b']] })).toEqual({
      headers: [['a', 'b']],
    })
  })
})

it('numbers of the event keep their digits', () => {
  const json = `{"specversion":"1.0","id":"1","source":"/s","type":"t","rig":{"correlation":"c"},"data":12345678901234567890}`
  const event = parseStructured(json)
  expect(event.ok && withoutCredentials(event.value).json).toContain('"data":12345678901234567890')
})

it('an event that was no request is left as it is', () => {
  const event = parseStructured('{"specversion":"1.0", "id":"1", "source":"/s", "type":"t"}')
  expect(event.ok && withoutCredentials(event.value)).toBe(event.ok && event.value)
})

describe('a record as an operator is shown it', () => {
  const encoder = new TextEncoder()
  const record = (value: string | null, headers: Readonly<Record<string, string>> = {}) => ({
    topic: 'rig',
    partition: 0,
    offset: 1,
    timestampMs: 1,
    key: null,
    headers: Object.entries(headers).map(([key, text]) => ({ key, value: encoder.encode(text) })),
    value: value === null ? null : encoder.encode(value),
  })
  const shownRecord = (...of: Parameters<typeof record>) => {
    const { headers, value } = withoutCredentialsOfRecord(record(...of))
    return JSON.stringify(
      [value, ...headers.map((header) => header.value)].map((bytes) => bytes && new TextDecoder().decode(bytes)),
    )
  }
  const rig = {
    method: 'POST',
    headers: [
      ['authorization', 'Bearer secret'],
      ['accept', '*/*'],
    ],
    correlation: 'secret',
  }

  it.each([
    ['an event', JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', rig, data: 1 }), {}],
    ['no event, such as a dead letter', JSON.stringify({ rig: JSON.stringify(rig), n: 1 }), {}],
    ['an event in binary mode', 'avro', { ce_rig: JSON.stringify(rig), ce_id: '1' }],
    ['a header that is cut off', null, { 'ce-rig': JSON.stringify(rig).slice(0, -3) }],
  ])('has no credentials: %s', (_what, value, headers) => {
    expect(JSON.stringify([value, headers])).toContain('secret')
    expect(shownRecord(value, headers)).not.toContain('secret')
  })

  it('is the same if it was no request', () => {
    for (const value of ['{"rig":1}', '["rig"]', '{"n":1}', 'text with "rig"', null]) {
      const given = record(value, { ce_id: '1' })
      expect(withoutCredentialsOfRecord(given)).toBe(given)
    }
  })
})
