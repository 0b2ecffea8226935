import { describe, expect, it } from 'vitest'
import { fromBinary, isLargerThan, parseBatch, parseStructured } from '../../../src/core/events/cloud-event.ts'
import { sliceArray } from '../../../src/core/json.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const v10 = { specversion: '1.0', id: '1', source: '/s', type: 't' }
const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' }
const without = (name: string, event: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(event).filter(([key]) => key !== name))

describe('structured mode', () => {
  it.each([
    ['1.0', v10],
    ['0.2', { specversion: '0.2', id: '1', type: 't' }],
    ['0.2', { specversion: '0.2', id: 1, type: 't' }],
    ['0.1', { cloudEventsVersion: '0.1', eventID: '1', eventType: 't' }],
    ['0.1', { cloudEventsVersion: '0.1', eventID: 1, eventType: 't' }],
  ])('takes %s', (specversion, event) => {
    const json = JSON.stringify(event)
    expect(parseStructured(json)).toMatchObject({ ok: true, value: { specversion, id: '1', type: 't', json } })
  })

  it.each([
    [v10, 'id'],
    [v10, 'source'],
    [v10, 'type'],
    [{ specversion: '0.2', id: '1', type: 't' }, 'id'],
    [{ specversion: '0.2', id: '1', type: 't' }, 'type'],
    [{ cloudEventsVersion: '0.1', eventID: '1', eventType: 't' }, 'eventID'],
    [{ cloudEventsVersion: '0.1', eventID: '1', eventType: 't' }, 'eventType'],
  ])('names what is missing: %o without %s', (event, name) => {
    const parsed = parseStructured(JSON.stringify(without(name, event)))
    expect(parsed).toMatchObject({
      ok: false,
      reason: expect.stringContaining(`attribute "${name}" is missing`) as string,
    })
  })

  it.each([
    { ...v10, id: 1 },
    { ...v10, id: '' },
    { ...v10, type: null },
    { ...v10, type: ['t'] },
    { ...v10, source: {} },
    { ...v10, type: 'a\nb' },
    { ...v10, id: 'a\rb' },
    { ...v10, id: 'a\u0000b' },
    { ...v10, specversion: '2.0' },
    { ...v10, specversion: 1 },
    { specversion: '0.2', id: {}, type: 't' },
    { specversion: '0.2', id: '1', type: 7 },
    [],
    null,
    'text',
    7,
  ])('refuses %o', (event) => {
    expect(parseStructured(JSON.stringify(event)).ok).toBe(false)
  })

  it.each([
    { time: 'lunchtime' },
    { time: '2018-04-05T18:31Z' },
    { time: '2018-04-05 18:31:00Z' },
    { time: '2018-04-05T18:31:00X' },
    { time: '2018-04-05T18:31:00+25:00' },
    { time: '2018-04-05T18:31:00+05' },
    { time: '2018-02-29T18:31:00Z' },
    { time: 1_522_953_060 },
    { datacontenttype: 'xyz' },
    { datacontenttype: '' },
    { dataschema: '' },
    { subject: '' },
    { subject: {} },
    { data: 'text', data_base64: 'AAAA' },
    { data_base64: 'AAA' },
    { data_base64: 'A A=' },
    { data_base64: {} },
    { cloudEventsVersion: '0.1', eventType: 'other', eventID: '2' },
  ])('refuses 1.0 with %o', (more) => {
    expect(parseStructured(JSON.stringify({ ...v10, ...more })).ok).toBe(false)
  })

  it.each([
    { time: '2018-04-05T17:31:00Z' },
    { time: '2018-04-05T17:31:00.000000000Z' },
    { time: '2018-04-05t18:31:00-01:00' },
    { time: '2020-02-29T23:59:60Z' },
    { time: null, subject: null, dataschema: null, datacontenttype: null, data_base64: null },
    { datacontenttype: 'text/plain; charset=utf-8', data: 'text' },
    { data_base64: 'AAAA' },
    { data_base64: '' },
    { data: null, data_base64: 'AA==' },
    { anExtension: { of: 'any kind' } },
  ])('takes 1.0 with %o', (more) => {
    expect(parseStructured(JSON.stringify({ ...v10, ...more })).ok).toBe(true)
  })

  it.each(['rig.session_killed', 'rig.connection.close', 'rig.'])(
    'refuses the type %s, which only Rigel may send',
    (type) => {
      const reason = expect.stringContaining('only Rigel sends such events') as string
      expect(parseStructured(JSON.stringify({ ...v10, type }))).toMatchObject({ ok: false, reason })
      expect(fromBinary({ ...attributes, type }, undefined, new Uint8Array())).toMatchObject({ ok: false, reason })
      const old = { cloudEventsVersion: '0.1', eventID: '1', eventType: type }
      expect(parseStructured(JSON.stringify(old))).toMatchObject({ ok: false, reason })
    },
  )

  it.each([
    { cloudEventsVersion: '0.1', eventID: '1', eventType: 'a', type: 'rig.session_killed' },
    { specversion: '0.2', id: '1', type: 'a', eventType: 'rig.session_killed' },
    { ...v10, eventType: 'rig.session_killed' },
    { ...v10, eventtype: 'rig.session_killed' },
  ])('refuses a type that only Rigel may send under the name of another version: %o', (event) => {
    const reason = expect.stringContaining('only Rigel sends such events') as string
    expect(parseStructured(JSON.stringify(event))).toMatchObject({ ok: false, reason })
  })

  it.each(['com.rig.order', 'rigel.order', 'rig', 'rigorous.test'])('takes the type %s', (type) => {
    expect(parseStructured(JSON.stringify({ ...v10, type })).ok).toBe(true)
  })

  it('keeps the text as it came, pretty printed or with numbers that JavaScript would round', () => {
    const json = `{\r\n  "specversion": "1.0", "id": "1",\n "source": "/s", "type": "t", "data": 12345678901234567890 }\n`
    expect(parseStructured(json)).toMatchObject({ ok: true, value: { json } })
  })

  it('does not quote in an error what may be as deep or as large as the sender likes', () => {
    const deep = `{"specversion":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    const large = JSON.stringify({ ...v10, specversion: 'x'.repeat(100_000) })
    for (const text of [deep, large]) {
      const parsed = parseStructured(text)
      expect(!parsed.ok && parsed.reason.length).toBeLessThan(200)
    }
  })
})

describe('a batch', () => {
  it('keeps each event as the text it was', () => {
    const odd = `{ "specversion":"1.0", "id":"],[", "source":"/s\\"", "type":"t", "data":[[1],{"n":12345678901234567890}] }`
    const batch = parseBatch(` [ ${odd} ,\n${JSON.stringify(v10)}] `)
    expect(batch.ok && batch.value.map(({ json }) => json)).toEqual([odd, JSON.stringify(v10)])
  })

  it.each([
    ['[]', []],
    ['[ ]', []],
    ['["a"]', ['"a"']],
    ['[1, "],\\"" , [2,[3]],{"a":"\\\\"}]', ['1', '"],\\""', '[2,[3]]', '{"a":"\\\\"}']],
  ])('%s has the elements %o', (text, elements) => {
    expect(sliceArray(text)).toEqual(elements)
    expect(elements.map((element) => JSON.parse(element) as unknown)).toEqual(JSON.parse(text))
  })
})

describe('binary mode', () => {
  it.each([
    ['JSON', 'application/json; charset=utf-8', '{"a":1}', { data: { a: 1 } }],
    ['JSON of a dialect', 'application/vnd.x+json', '[1]', { data: [1] }],
    ['text', 'text/plain', '{"a":1}', { data: '{"a":1}' }],
  ])('keeps the content type, with %s', (_what, contentType, body, expected) => {
    const event = fromBinary(attributes, contentType, bytes(body))
    expect(event.ok && JSON.parse(event.value.json)).toEqual({ ...v10, datacontenttype: contentType, ...expected })
    expect(event.ok && event.value.parsed).toEqual(event.ok && JSON.parse(event.value.json))
  })

  it('takes data without a content type for JSON, and refuses what is not', () => {
    const json = fromBinary(attributes, undefined, bytes('{"a":1}'))
    expect(json.ok && json.value.parsed['data']).toEqual({ a: 1 })
    expect(fromBinary(attributes, undefined, bytes('hello'))).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^data is not JSON, and no content type says otherwise: /) as string,
    })
  })

  it.each(['image/png', 'application/octet-stream', 'application/protobuf'])(
    'has base64 for %s, whether or not the bytes would be text',
    (contentType) => {
      for (const [blob, base64] of [
        [Uint8Array.of(255, 0, 1), '/wAB'],
        [bytes('hello'), 'aGVsbG8='],
      ] as const) {
        const event = fromBinary(attributes, contentType, blob)
        expect(event.ok && event.value.parsed).toEqual({ ...v10, datacontenttype: contentType, data_base64: base64 })
        expect(event.ok && JSON.parse(event.value.json)).toEqual(event.ok && event.value.parsed)
      }
    },
  )

  it.each([
    'text/csv',
    'application/xml',
    'image/svg+xml',
    'application/x-www-form-urlencoded',
    'application/vnd.x; charset=utf-8',
  ])('has text for %s, and refuses bytes that are not', (contentType) => {
    const event = fromBinary(attributes, contentType, bytes('hello'))
    expect(event.ok && event.value.parsed['data']).toBe('hello')
    expect(fromBinary(attributes, contentType, Uint8Array.of(255, 0, 1)).ok).toBe(false)
  })

  it('reads text in the charset that the content type names', () => {
    const event = fromBinary(attributes, 'text/plain; charset=iso-8859-1', Uint8Array.of(0xfc))
    expect(event.ok && event.value.parsed['data']).toBe('ü')
  })

  it('has only text before 1.0', () => {
    const old = { specversion: '0.2', id: '1', type: 't' }
    expect(fromBinary(old, 'image/png', Uint8Array.of(255, 0, 1)).ok).toBe(false)
    const event = fromBinary(old, 'application/octet-stream', bytes('hello'))
    expect(event.ok && event.value.parsed['data']).toBe('hello')
  })

  it('reads JSON in extensions before 1.0, as RIG does, with all digits of its numbers', () => {
    const old = { specversion: '0.2', id: '1', type: '7', rig: '{"correlation": "c"}', big: '12345678901234567890' }
    const event = fromBinary(old, undefined, new Uint8Array())
    expect(event.ok && event.value.parsed['rig']).toEqual({ correlation: 'c' })
    expect(event.ok && event.value.json).toContain('"big":12345678901234567890')
    const current = fromBinary({ ...attributes, rig: '{"a":1}', other: '{"a":1}' }, undefined, new Uint8Array())
    expect(current.ok && current.value.parsed).toEqual({ ...attributes, rig: { a: 1 }, other: '{"a":1}' })
  })

  it('does not round the numbers of the data', () => {
    const event = fromBinary(attributes, 'application/json', bytes('{"n":12345678901234567890}'))
    expect(event.ok && event.value.json).toContain('"data":{"n":12345678901234567890}}')
  })

  it('gives the attributes of 0.1 their case back', () => {
    const old = { cloudeventsversion: '0.1', eventid: '1', eventtype: 't', source: '/s' }
    expect(fromBinary(old, 'application/json', bytes('1'))).toMatchObject({
      ok: true,
      value: { specversion: '0.1', id: '1', type: 't', parsed: { contentType: 'application/json', data: 1 } },
    })
  })

  it('takes the data from the body, whatever a header says', () => {
    const event = fromBinary({ ...attributes, data: 'forged', data_base64: 'AA==' }, 'text/plain', bytes('true'))
    expect(event.ok && JSON.parse(event.value.json)).toEqual({ ...v10, datacontenttype: 'text/plain', data: 'true' })
  })
})

it('an event is measured in bytes of UTF-8, not in characters', () => {
  const event = parseStructured(JSON.stringify({ ...v10, data: '€'.repeat(100) }))
  const limits = [200, 300, 400, 1_000]
  expect(event.ok && limits.map((limit) => isLargerThan(event.value, limit))).toEqual([true, true, false, false])
})

describe('an event with a second type, for clients whose parser takes the first of two members', () => {
  const rest = '"specversion":"1.0","id":"1","source":"/s"'

  it.each([
    `{"type":"rig.session_killed",${rest},"type":"order"}`,
    `{"typ\\u0065":"rig.session_killed",${rest},"type":"order"}`,
    `{"type":"\\u0072ig.session_killed",${rest},"type":"order"}`,
    `{"data":{"a":[1,{"type":"x"}]},"type":"rig.x","type":"order",${rest}}`,
  ])('is refused: %s', (text) => {
    expect(parseStructured(text)).toMatchObject({ ok: false, reason: expect.stringContaining('there twice') as string })
    expect(parseBatch(`[${text}]`)).toMatchObject({ ok: false })
  })

  it.each([
    `{"type":"order",${rest},"data":{"type":"rig.x","a":"\\u00e4,\\"{["}}`,
    `{"type":"order",${rest},"data":["rig.x",{"a":{},"b":[]},{}],"subject":"\\u00e4"}`,
    ` { "type" : "order" , ${rest} , "__proto__" : "rig.x" , "1" : "\\u00e4" } `,
  ])('is none if each member is there once: %s', (text) => {
    expect(parseStructured(text)).toMatchObject({ ok: true, value: { type: 'order' } })
  })
})
