// The conformance features of CloudEvents for its HTTP and Kafka protocol bindings (github.com/cloudevents/conformance,
// features/), and the binding's rules on modes and headers. HTTP goes through the Worker to a client; Kafka through the
// decoder of the follower.
import { describe, expect, it } from 'vitest'
import { decodeRecord } from '../../src/decoding/decode-record.ts'
import { connectSse, fetchRigel } from '../support/gateway-client.ts'

const DATA = '{\n    "message": "Hello World!"\n}'
const attributes = {
  id: '1234-1234-1234',
  specversion: '1.0',
  type: 'com.example.someevent',
  source: '/mycontext/subcontext',
  time: '2018-04-05T03:56:24Z',
}
const structured = JSON.stringify({
  ...attributes,
  datacontenttype: 'application/json',
  data: JSON.parse(DATA) as unknown,
})

/** What a client is sent of one event that was posted. */
async function delivered(headers: Readonly<Record<string, string>>, body: string): Promise<unknown> {
  const client = await connectSse({ subscriptions: [{ eventType: attributes.type }] })
  const response = await fetchRigel('/_rig/v1/events', { method: 'POST', headers, body })
  expect([response.status, await response.clone().text()]).toEqual([202, expect.any(String)])
  const [frame] = await client.until(1, attributes.type)
  await client.close()
  return frame?.data
}

function decoded(headers: Readonly<Record<string, string>>, value: string): unknown {
  const record = decodeRecord(
    {
      topic: 'rig',
      partition: 0,
      offset: 0,
      timestampMs: 0,
      key: null,
      headers: Object.entries(headers).map(([key, text]) => ({ key, value: new TextEncoder().encode(text) })),
      value: new TextEncoder().encode(value),
    },
    1_000_000,
    null,
  )
  return record.ok ? JSON.parse(record.value.json) : record.reason
}

describe('HTTP protocol binding', () => {
  const inHeaders = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]))

  it.each(['application/json', 'application/json; charset=utf-8'])('binary content mode (%s)', async (contentType) => {
    expect(await delivered({ ...inHeaders, 'content-type': contentType }, DATA)).toEqual({
      ...attributes,
      datacontenttype: contentType,
      data: { message: 'Hello World!' },
    })
  })

  it.each(['application/cloudevents+json', 'application/cloudevents+json; charset=utf-8'])(
    'structured content mode (%s)',
    async (contentType) => {
      expect(await delivered({ 'content-type': contentType }, structured)).toEqual(JSON.parse(structured))
    },
  )

  it('batched content mode', async () => {
    const headers = { 'content-type': 'application/cloudevents-batch+json' }
    expect(await delivered(headers, `[${structured}]`)).toEqual(JSON.parse(structured))
  })

  it('header values are decoded', async () => {
    const headers = { ...inHeaders, 'ce-subject': 'Euro%20%E2%82%AC', 'ce-comment': '"a \\"b\\""' }
    expect(await delivered(headers, '')).toEqual({ ...attributes, subject: 'Euro €', comment: 'a "b"' })
  })
})

describe('Kafka protocol binding', () => {
  const inHeaders = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce_${name}`, value]))

  it('binary content mode', () => {
    expect(decoded({ ...inHeaders, 'content-type': 'application/json' }, DATA)).toEqual({
      ...attributes,
      datacontenttype: 'application/json',
      data: { message: 'Hello World!' },
    })
  })

  it.each(['application/cloudevents+json', 'application/cloudevents+json; charset=utf-8'])(
    'structured content mode (%s)',
    (contentType) => {
      expect(decoded({ 'content-type': contentType }, structured)).toEqual(JSON.parse(structured))
    },
  )

  it('a type that only Rigel may send is no event', () => {
    const forged = structured.replace(attributes.type, 'rig.connection.close')
    expect(decoded({ 'content-type': 'application/cloudevents+json' }, forged)).toMatchObject({
      kind: 'not_a_cloud_event',
    })
  })
})
