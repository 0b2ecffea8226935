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

  it('keeps the text as it came, pretty printed or with numbers that JavaScript would round', () => {
    const json = `{\r\n  "specversion": "1.0", "id": "1",\n "source": "/s", "type": "t", "data": 12345678901234567890 }\n`
    expect(parseStructured(json)).toMatchObject({ ok: true, value: { json } })
  })

  it('does not quote in an error what the sender made as deep or as large as he liked', () => {
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

  it('guesses without a content type: JSON if it is, else text', () => {
    const json = fromBinary(attributes, undefined, bytes('{"a":1}'))
    const text = fromBinary(attributes, undefined, bytes('hello'))
    expect([json.ok && json.value.parsed['data'], text.ok && text.value.parsed['data']]).toEqual([{ a: 1 }, 'hello'])
  })

  it('keeps bytes as base64 in 1.0, which alone has a place for them', () => {
    const blob = Uint8Array.of(255, 0, 1)
    const event = fromBinary(attributes, 'image/png', blob)
    expect(event.ok && event.value.parsed).toMatchObject({ data_base64: '/wAB', datacontenttype: 'image/png' })
    expect(fromBinary({ specversion: '0.2', id: '1', type: 't' }, 'image/png', blob).ok).toBe(false)
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
