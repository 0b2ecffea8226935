// How a push's body is split into elements, whatever its content type says.
import { describe, expect, it } from 'vitest'
import { readPushBody } from '../../../src/http/events/push-body.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const a = JSON.stringify({ specversion: '1.0', id: 'a', source: '/s', type: 't' })
const b = JSON.stringify({ specversion: '1.0', id: 'b', source: '/s', type: 't' }, null, 2)
const BOM = '\uFEFF'

function idsOf(type: string | undefined, text: string) {
  const body = readPushBody(type, bytes(text))
  if (!body.ok) return body.reason
  return body.value.elements.map(({ event }) => (event.ok ? event.value.id : event.reason.kind))
}

describe('a body with two events', () => {
  it.each([
    ['an array', `[${a},${b}]`],
    ['an array behind a byte order mark', `${BOM}[${a},${b}]`],
    ['joined by a comma', `${a},${b}`],
    ['joined by a comma and a line break', `${a},\n${b}`],
    ['joined by a comma, behind a byte order mark', `${BOM}${a} , ${b}`],
    ['lines', `${a}\n${JSON.stringify(JSON.parse(b))}\n`],
    ['lines behind a byte order mark', `${BOM}${a}\r\n\n${JSON.stringify(JSON.parse(b))}`],
  ])('is %s', (_, text) => {
    expect(idsOf('application/json', text)).toEqual(['a', 'b'])
    expect(idsOf(undefined, text)).toEqual(['a', 'b'])
  })

  it('is refused by name if nothing tells the events apart', () => {
    for (const text of [`${a}${b}`, `${a} ${b}`, `${a},${b},`, `${a},,${b}`]) {
      expect(idsOf('application/json', text)).toMatchObject({
        kind: 'bad_request',
        message: expect.stringMatching(/several JSON objects .* send a JSON array, or a line for each/) as string,
      })
    }
  })
})

describe('a body with one element', () => {
  it.each([
    ['an event over several lines', b, ['b']],
    ['an event behind a byte order mark', `${BOM}${b}`, ['b']],
    ['an object that is no event', '{\n"nested":\n{}\n}', ['not_a_cloud_event']],
    ['an object that is cut off', a.slice(0, -1), ['not_a_cloud_event']],
    ['text', 'hello', ['not_a_cloud_event']],
  ])('is %s', (_, text, ids) => {
    expect(idsOf('application/json', text)).toEqual(ids)
  })
})

it('lines stay lines when one of them is wrong', () => {
  expect(idsOf('application/json', `${a}\n{"cut\n${a}`)).toEqual(['a', 'not_a_cloud_event', 'a'])
  expect(idsOf('application/x-ndjson', `${a},\n${a}`)).toEqual(['not_a_cloud_event', 'a'])
})

it('an array that is not JSON is refused by name', () => {
  expect(idsOf('application/json', `[${a}`)).toMatchObject({ kind: 'not_a_cloud_event' })
})

it('a body with nothing in it is an empty batch', () => {
  for (const text of ['', ' \n ', BOM, '[]']) expect(idsOf('application/json', text)).toEqual([])
})
