// What subscribers are shown of a request that became an event.
import { describe, expect, it } from 'vitest'
import { parseStructured } from '../../../src/core/events/cloud-event.ts'
import { withoutCredentials } from '../../../src/core/events/request-extension.ts'

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
