// The Kafka REST endpoint: what it refuses. What it does is tested with the real client (test/kafka/upstash.test.ts).
import { describe, expect, it } from 'vitest'
import { fetchRigel } from '../../support/gateway-client.ts'

const LIMIT_BYTES = 8_388_608
const AUTHORIZATION = { authorization: `Basic ${btoa('rigel:test')}` }

function post(path: string, body: BodyInit): Promise<Response> {
  return fetchRigel(`/_rig/kafka${path}`, { method: 'POST', headers: AUTHORIZATION, body })
}

/** A body whose length no header tells. */
function streamOf(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes
  return new ReadableStream({
    pull(controller) {
      const size = Math.min(left, 65_536)
      if (size === 0) return controller.close()
      left -= size
      controller.enqueue(new Uint8Array(size).fill(0x20))
    },
  })
}

describe('a body', () => {
  it.each(['/produce', '/fetch', '/offsets/earliest', '/consume/g/i', '/commit/g/i', '/committed/g/i'])(
    'of %s that is larger than 8 MiB is refused with 413, whether its length is declared or not',
    async (path) => {
      const refusal = { error: `the body must be at most ${LIMIT_BYTES} bytes`, status: 413 }
      for (const body of [' '.repeat(LIMIT_BYTES + 1), streamOf(LIMIT_BYTES + 1)]) {
        const response = await post(path, body)
        expect([response.status, await response.json()]).toEqual([413, refusal])
      }
    },
  )

  it('of exactly 8 MiB is read', async () => {
    const message = '{"topic":"limits","value":"x"}'
    const response = await post('/produce', message + ' '.repeat(LIMIT_BYTES - message.length))
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject([{ topic: 'limits' }])
  })

  it.each(['/produce', '/fetch', '/consume/g/i', '/commit/g/i'])('of %s that is not JSON is refused', async (path) => {
    const response = await post(path, '{"topic":')
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('the body must be JSON: ')
  })
})

it.each(['.', '..', '', 'a b', 'x'.repeat(250)])('the topic name %j is refused', async (topic) => {
  const response = await post('/produce', JSON.stringify({ topic, value: 'x' }))
  expect(response.status).toBe(400)
  expect(await response.text()).toContain('must be a Kafka topic name')
})

describe('a text that is not Unicode, which would be stored like others that are not', () => {
  it.each([
    '{"topic":"limits","value":"\\ud800"}',
    '{"topic":"limits","value":"x","key":"user\\udfff"}',
    '{"topic":"limits","value":"x","headers":[{"key":"user","value":"\\ud800"}]}',
  ])('is refused in %s', async (body) => {
    const response = await post('/produce', body)
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('must be Unicode, without half a surrogate pair')
  })

  it('is refused as bytes of the body', async () => {
    const response = await post('/produce', new Blob(['{"topic":"limits","value":"', Uint8Array.of(0xff), '"}']))
    expect([response.status, await response.json()]).toEqual([400, { error: 'the body must be UTF-8', status: 400 }])
  })
})

it('a record of more than 10,000 headers is refused, and a body of many mistakes is told of ten', async () => {
  const headers = Array.from({ length: 10_001 }, () => ({ key: 'h', value: '' }))
  const response = await post('/produce', JSON.stringify({ topic: 'limits', value: 'x', headers }))
  expect([response.status, (await response.text()).length < 300]).toEqual([400, true])
  const wrong = await post('/produce', JSON.stringify(Array.from({ length: 5_000 }, () => 1)))
  expect([wrong.status, (await wrong.text()).length < 1_000]).toEqual([400, true])
})

it('a wrong password is refused in the form of the dialect', async () => {
  const response = await fetchRigel('/_rig/kafka/topics', { headers: { authorization: `Basic ${btoa('rigel:no')}` } })
  expect([response.status, await response.json()]).toEqual([
    401,
    { error: 'Unauthorized: wrong username or password', status: 401 },
  ])
})
