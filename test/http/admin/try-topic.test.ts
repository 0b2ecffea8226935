import { exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

async function tryRecord(body: unknown, topic = 'rig'): Promise<{ status: number; answer: unknown }> {
  const response = await exports.default.fetch(
    new Request(`https://rigel.example/_rig/api/v1/topics/${topic}/try`, {
      method: 'POST',
      headers: { authorization: 'Bearer an-internal-token-of-the-tests' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  )
  const text = await response.text()
  return { status: response.status, answer: response.ok ? (JSON.parse(text) as unknown) : text }
}

describe('POST /_rig/api/v1/topics/{topic}/try', () => {
  it('shows the event, recipients and fields that a rule makes of a record', async () => {
    const rule = 'type greeting, recipients key user.{id}'
    const { status, answer } = await tryRecord({ rule, key: 'user.7', value: { name: 'x' }, timestamp: 0, offset: 4 })
    expect(status).toBe(200)
    expect(answer).toEqual({
      outcome: 'event',
      rule: 'rig',
      event: {
        specversion: '1.0',
        type: 'greeting',
        source: '/topics/rig',
        id: 'rig/0/4',
        time: '1970-01-01T00:00:00.000Z',
        datacontenttype: 'application/json',
        data: { name: 'x' },
      },
      recipients: ['7'],
      fields: { name: 'x' },
    })
  })

  it('shows every digit of a field and of a recipient', async () => {
    const response = await exports.default.fetch(
      new Request('https://rigel.example/_rig/api/v1/topics/rig/try', {
        method: 'POST',
        headers: { authorization: 'Bearer an-internal-token-of-the-tests' },
        body: '{"rule":{"type":"greeting","recipients":"/user"},"value":{"user":9007199254740993,"name":9007199254740993}}',
      }),
    )
    const text = await response.text()
    expect(text).toContain('"fields":{"name":9007199254740993}')
    expect(text).toContain('"recipients":["9007199254740993"]')
    expect(text).toContain('"user":9007199254740993')
  })

  it('takes a key of bytes', async () => {
    const rule = 'type greeting, recipients key:/id'
    const { answer } = await tryRecord({ rule, key_base64: btoa('{"id":7}'), value: {} })
    expect(answer).toMatchObject({ outcome: 'event', recipients: ['7'] })
    expect(await tryRecord({ rule, key_base64: '?', value: {} })).toMatchObject({ status: 400 })
  })

  it('shows why a record is a dead letter, by the rule that is configured', async () => {
    const { answer } = await tryRecord({ value: { n: 1 } })
    expect(answer).toMatchObject({ outcome: 'dead_letter', rule: null, reason_code: 'not_a_cloud_event' })
  })

  it('shows that a filter drops a record', async () => {
    const { answer } = await tryRecord({ rule: { type: 'x', filter: { '/n': 2 } }, value: { n: 1 } })
    expect(answer).toEqual({ outcome: 'dropped', rule: 'rig' })
  })

  it.each([
    ['garbage', 'expected {"value"'],
    [{ value: 1, more: 2 }, 'expected {"value"'],
    [{ value: 1, rule: { typ: 'x' } }, '"typ" is not a field of a rule'],
    [{ value_base64: '!' }, 'base64'],
  ])('refuses %j', async (body, problem) => {
    const { status, answer } = await tryRecord(body)
    expect([status, answer]).toEqual([400, expect.stringContaining(problem)])
  })
})
