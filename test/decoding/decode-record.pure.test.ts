import { describe, expect, it } from 'vitest'
import { fromBinary, parseBatch, parseStructured } from '../../src/core/events/cloud-event.ts'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { decodeRecord } from '../../src/decoding/decode-record.ts'
import { describeDecodeError } from '../../src/decoding/decode-error.ts'
import { jsonCodec } from '../../src/schema-registry/json-codec.ts'
import type { Schemas } from '../../src/schema-registry/schema-cache.ts'
import { writeFrame } from '../../src/schema-registry/wire-format.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function record(value: Uint8Array | string | null, headers: Readonly<Record<string, string>> = {}): LogRecord {
  return {
    topic: 't',
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: null,
    value: typeof value === 'string' ? bytes(value) : value,
    headers: Object.entries(headers).map(([key, text]) => ({ key, value: bytes(text) })),
  }
}

const v10 = '{"specversion":"1.0","id":"1","source":"/s","type":"t","extra":[1, 2]}'
const v02 = '{ "specversion" : "0.2", "id": 7, "type": "t" }'
const v01 = '{"cloudEventsVersion":"0.1","eventID":"1","eventType":"t","data":\n{"a":1}}'
const binary = { ce_specversion: '1.0', ce_id: '1', ce_source: '/s', ce_type: 't', 'content-type': 'application/json' }

describe('a record', () => {
  it.each([
    ['1.0', v10, {}],
    ['0.2', v02, {}],
    ['0.1', v01, {}],
    ['1.0', v10, { 'Content-Type': 'application/cloudevents+json; charset=utf-8' }],
  ])('in structured mode (%s) is forwarded verbatim', (specversion, text, headers) => {
    expect(decodeRecord(record(text, headers), 1_000, null)).toMatchObject({
      ok: true,
      value: { specversion, type: 't', json: text },
    })
  })

  it('is forwarded as the bytes that came, without copying them, and without a mark of byte order', () => {
    const plain = record(v10)
    const decoded = decodeRecord(plain, 1_000, null)
    expect(decoded.ok && decoded.value.utf8).toBe(plain.value)
    const marked = decodeRecord(record(`\ufeff${v10}`), 1_000, null)
    expect(marked.ok && marked.value.utf8).toEqual(bytes(v10))
  })

  it('may have as many bytes as the limit says, however few characters they are', () => {
    const text = v10.replace('"t"', '"üüü"')
    const limit = bytes(text).length
    expect(decodeRecord(record(text), limit, null)).toMatchObject({ ok: true })
    expect(decodeRecord(record(text), limit - 1, null)).toEqual({
      ok: false,
      reason: { kind: 'too_large', limitBytes: limit - 1 },
    })
  })

  it('in binary mode becomes structured', () => {
    const decoded = decodeRecord(record('{"a":1}', { ...binary, CE_extension: 'x' }), 1_000, null)
    expect(decoded.ok && JSON.parse(decoded.value.json)).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      extension: 'x',
      datacontenttype: 'application/json',
      data: { a: 1 },
    })
    expect(decoded.ok && decoded.value.utf8).toEqual(decoded.ok && bytes(decoded.value.json))
  })

  it('in binary mode keeps data that is no JSON, as text or as base64', () => {
    const text = decodeRecord(record('hello', { ...binary, 'content-type': 'text/plain' }), 1_000, null)
    expect(text.ok && text.value.parsed).toMatchObject({ data: 'hello', datacontenttype: 'text/plain' })
    const blob = decodeRecord(record(Uint8Array.of(255, 0), { ...binary, 'content-type': 'image/png' }), 1_000, null)
    expect(blob.ok && blob.value.parsed).toMatchObject({ data_base64: '/wA=' })
  })

  it.each([
    [record(null), 'tombstone'],
    [record(Uint8Array.of(255, 254)), 'not_utf8'],
    [record(''), 'not_a_cloud_event'],
    [record('[]'), 'not_a_cloud_event'],
    [record('{"specversion":"1.0","id":"1","type":"t"}'), 'not_a_cloud_event'],
    [record('{"specversion":"1.0","id":1,"source":"/s","type":"t"}'), 'not_a_cloud_event'],
    [record('{"specversion":"1.0","id":"1","source":"/s","type":"a\\r\\nid: 9"}'), 'not_a_cloud_event'],
    [record('{"specversion":"1.0","id":"1\\n","source":"/s","type":"t"}'), 'not_a_cloud_event'],
    [record('x', { 'content-type': 'application/cloudevents+avro' }), 'unsupported_content_type'],
    [record('[]', { 'content-type': 'application/cloudevents-batch+json' }), 'unsupported_content_type'],
    [record(Uint8Array.of(0, 0, 0, 0, 7, 2, 4)), 'no_schema_registry'],
    [record('x', { ...binary, 'content-type': 'avro/binary' }), 'no_schema_id'],
    [record('hello', { 'content-type': 'text/plain' }), 'not_a_cloud_event'],
    [record('1'), 'not_a_cloud_event'],
    [record('null'), 'not_a_cloud_event'],
    [record(`{"specversion":${'['.repeat(50_000)}${']'.repeat(50_000)}}`), 'not_a_cloud_event'],
    [record('{', binary), 'not_a_cloud_event'],
    [record('{}', { ce_id: '1' }), 'not_a_cloud_event'],
    [record(v10.replace('"t"', `"${'t'.repeat(1_000)}"`)), 'too_large'],
  ])('that is no event says why: %#', (garbage, kind) => {
    expect(decodeRecord(garbage, 1_000, null)).toMatchObject({ ok: false, reason: { kind } })
  })
})

describe('the headers of a record', () => {
  it('structured mode wins over ce_ headers', () => {
    const both = record(v10, { ...binary, ce_type: 'other', 'content-type': 'application/cloudevents+json' })
    expect(decodeRecord(both, 1_000, null)).toMatchObject({ ok: true, value: { type: 't', json: v10 } })
  })

  it('application/json without ce_ headers is structured mode, as over HTTP', () => {
    expect(decodeRecord(record(v10, { 'content-type': 'application/json' }), 1_000, null)).toMatchObject({ ok: true })
  })

  it('take the prefix of RIG before 3.0, and need no content type', () => {
    const old = { 'ce-specversion': '0.2', 'ce-id': '1', 'ce-type': 't' }
    expect(decodeRecord(record('{"a":1}', old), 1_000, null)).toMatchObject({
      ok: true,
      value: { specversion: '0.2', parsed: { data: { a: 1 } } },
    })
  })

  it('without a value are an event without data', () => {
    const decoded = decodeRecord(record(null, binary), 1_000, null)
    expect(decoded.ok && decoded.value.parsed).not.toHaveProperty('data')
  })

  it('that are null, as some clients write what is not there, are as if they were not there', () => {
    const nulls = { ...binary, ce_time: '', ce_subject: '', 'content-type': '' }
    const decoded = decodeRecord(record('{"a":1}', nulls), 1_000, null)
    expect(decoded.ok && decoded.value.parsed).toEqual({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      data: { a: 1 },
    })
    expect(decodeRecord(record('{"a":1}', { ...binary, ce_type: '' }), 1_000, null)).toMatchObject({
      reason: { message: expect.stringContaining('"type" is missing') as unknown },
    })
  })

  it('that are not UTF-8 are not dropped silently', () => {
    const plain = record('{}', binary)
    const headers = [...plain.headers, { key: 'ce_ext', value: Uint8Array.of(255) }]
    expect(decodeRecord({ ...plain, headers }, 1_000, null)).toMatchObject({ ok: false, reason: { kind: 'not_utf8' } })
  })
})

describe('a record by a schema of the registry', () => {
  const schemas = new Map<number, NonNullable<ReturnType<Schemas['get']>>>([
    [7, { ok: true, value: jsonCodec }],
    [8, { ok: false, reason: { kind: 'unusable_schema', message: 'why' } }],
  ])
  const framed = (text: string, headers: Readonly<Record<string, string>> = {}, id = 7) =>
    decodeRecord(record(writeFrame(id, bytes(text)), headers), 300, schemas)
  const v02Binary = { ce_specversion: '0.2', ce_id: '1', ce_type: 't', ce_source: '/s' }

  it.each([[undefined], ['application/json'], ['avro/binary'], ['application/x-protobuf; a=b']])(
    'is JSON, whatever its content type was: %s',
    (contentType) => {
      const headers = {
        ...v02Binary,
        ce_contenttype: 'avro/binary',
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      }
      const decoded = framed('{"n":9007199254740993}', headers)
      expect(decoded.ok && decoded.value.json).toBe(
        '{"specversion":"0.2","id":"1","type":"t","source":"/s","contenttype":"application/json","data":{"n":9007199254740993}}',
      )
    },
  )

  it.each([
    [{}],
    [{ 'content-type': 'application/cloudevents+avro' }],
    [{ 'content-type': 'application/cloudevents' }],
  ])('is the event itself without ce_ headers, or by its content type: %j', (headers) =>
    expect(framed(v02, headers)).toMatchObject({ ok: true, value: { json: v02 } }),
  )

  it('is not one where other data begins with a zero', () => {
    const decoded = framed('icon', { ...binary, 'content-type': 'image/x-icon' })
    expect(decoded.ok && decoded.value.parsed).toMatchObject({
      data_base64: btoa('\u0000\u0000\u0000\u0000\u0007icon'),
    })
  })

  it('that cannot be read says why', () => {
    const reasons = [
      framed('{', v02Binary),
      framed('1', v02Binary, 8),
      framed('[]', {}),
      framed(`"${'x'.repeat(400)}"`, v02Binary),
      framed('[]', { 'content-type': 'application/cloudevents-batch+json' }),
    ].map((decoded) => (decoded.ok ? 'ok' : describeDecodeError(decoded.reason)))
    expect(reasons).toEqual([
      expect.stringContaining('the data does not match its schema 7: not JSON'),
      'schema 8 cannot be used: why',
      'not a CloudEvent: a CloudEvent must be a JSON object',
      'larger than 300 bytes',
      'content type application/cloudevents-batch+json is not supported',
    ])
  })
})

describe('over HTTP', () => {
  it('a batch is an array of structured events, and the place of a wrong one is named', () => {
    expect(parseBatch(`[${v10},${v02}]`)).toMatchObject({ ok: true, value: [{ id: '1' }, { id: '7' }] })
    expect(parseBatch(`[${v10},{}]`)).toMatchObject({ ok: false, reason: expect.stringContaining('event 1') as string })
    expect(parseBatch('{}').ok).toBe(false)
  })

  it('an error names what is missing', () => {
    expect(parseStructured('{"specversion":"1.0","id":"1","type":"t"}')).toMatchObject({
      reason: 'attribute "source" is missing (CloudEvents 1.0)',
    })
    expect(fromBinary({ specversion: '0.3' }, undefined, new Uint8Array()).ok).toBe(false)
  })
})

describe('a record of RIG', () => {
  it.each(['ce_contenttype', 'ce_contentType', 'ce-contenttype'])(
    'is in structured mode although it has the header %s',
    (name) => {
      const plain = record(v02, { [name]: 'application/json' })
      expect(decodeRecord(plain, 1_000, null)).toMatchObject({ ok: true, value: { id: '7', json: v02 } })
    },
  )

  it('with ce_ headers and neither a version nor a structured event names the missing header', () => {
    const decoded = decodeRecord(record('{}', { ce_id: '1', ce_source: '/s', ce_type: 't' }), 1_000, null)
    expect(!decoded.ok && describeDecodeError(decoded.reason)).toContain('binary mode needs the header ce_specversion')
  })

  it('has JSON in extension headers decoded, and text attributes left alone', () => {
    const { 'content-type': type, ...attributes } = binary
    const headers = {
      ...attributes,
      ce_specversion: '0.2',
      ce_rig: '{"correlation":"x"}',
      ce_flag: 'true',
      ce_note: 'plain text',
      ce_subject: '5',
    }
    const decoded = decodeRecord(record('{}', { ...headers, 'content-type': type }), 1_000, null)
    const parsed = { rig: { correlation: 'x' }, flag: true, note: 'plain text', subject: '5' }
    expect(decoded).toMatchObject({ ok: true, value: { parsed } })
  })

  it('cannot change its own prototype by a header', () => {
    const decoded = decodeRecord(record('{}', { ...binary, ce___proto__: '{"id":"x"}' }), 1_000, null)
    expect(decoded).toMatchObject({ ok: true, value: { id: '1' } })
  })
})

describe('a schema that the header __value_schema_id names', () => {
  const GUID = '00010203-0405-0607-0809-0a0b0c0d0e0f'
  const guidHeader = Uint8Array.of(1, ...Array(16).keys())
  const withHeader = (header: Uint8Array, value: Uint8Array): LogRecord => {
    const plain = record(value, binary)
    return { ...plain, headers: [...plain.headers, { key: '__value_schema_id', value: header }] }
  }
  const seen: Uint8Array[] = []
  const codec = { toJson: (body: Uint8Array) => (seen.push(body), { ok: true, value: '{"a":5}' } as const) }
  const schemas: Schemas = new Map<string | number, { ok: true; value: typeof codec }>([
    [GUID, { ok: true, value: codec }],
    [7, { ok: true, value: codec }],
  ])

  it.each([
    ['a GUID', guidHeader, [10, 4]],
    ['an id', Uint8Array.of(0, 0, 0, 0, 7), [10, 4]],
    ['a GUID and the path of a Protobuf message', Uint8Array.of(...guidHeader, 2, 1), [2, 1, 10, 4]],
  ])('by %s decodes the bare value', (_what, header, body) => {
    const decoded = decodeRecord(withHeader(header, Uint8Array.of(10, 4)), 1_000, schemas)
    expect(decoded).toMatchObject({ ok: true, value: { parsed: { data: { a: 5 } } } })
    expect([...(seen.at(-1) ?? [])]).toEqual(body)
  })

  it('and that no registry can decode is a dead letter, never text', () => {
    const decoded = decodeRecord(withHeader(guidHeader, Uint8Array.of(10, 4)), 1_000, null)
    expect(decoded).toEqual({ ok: false, reason: { kind: 'no_schema_registry', schemaId: GUID } })
  })

  it.each([
    ['no byte', Uint8Array.of()],
    ['an unknown first byte', Uint8Array.of(9, 1, 2)],
    ['half a GUID', guidHeader.subarray(0, 9)],
  ])('by %s is a dead letter that says so', (_what, header) => {
    const decoded = decodeRecord(withHeader(header, Uint8Array.of(10)), 1_000, schemas)
    expect(decoded).toMatchObject({ ok: false, reason: { kind: 'invalid_schema_id' } })
  })
})
