// What a check service is asked about is what is published.
import { expect, it } from 'vitest'
import { toCheckedEvent } from '../../../src/core/events/checked-event.ts'
import { parseStructured } from '../../../src/core/events/cloud-event.ts'

function check(text: string): string {
  const event = parseStructured(text)
  if (!event.ok) throw new Error(event.reason)
  const checked = toCheckedEvent(event.value)
  return checked.ok ? checked.value.json : checked.reason
}

it('a member that occurs twice is published once, with the value that Rigel routes by', () => {
  const text =
    '{"specversion":"1.0","id":"1","source":"/s","type":"harmless","type":"paid","data":{"n":9007199254740993}}'
  expect(check(text)).toBe('{"specversion":"1.0","id":"1","source":"/s","type":"paid","data":{"n":9007199254740993}}')
})

it.each([
  ['{"cloudEventsVersion":"0.1","eventID":"1","eventType":"paid","type":"harmless"}', '"type" and "eventType"'],
  ['{"specversion":"1.0","id":"1","source":"/s","type":"a","eventID":"2"}', '"id" and "eventID"'],
])('a name of another version is refused if it says something else: %s', (text, reason) => {
  expect(check(text)).toContain(reason)
})

it('both names may say the same', () => {
  const text = '{"specversion":"1.0","id":"1","source":"/s","type":"a","eventType":"a"}'
  expect(check(text)).toBe(text)
})

it.each([
  ['lists', '[', ']'],
  ['objects', '{"a":', '}'],
])('an event with 40,000 %s in each other is refused', (_name, open, close) => {
  const data = `${open.repeat(40_000)}${open === '[' ? '' : '1'}${close.repeat(40_000)}`
  expect(check(`{"specversion":"1.0","id":"1","source":"/s","type":"a","data":${data}}`)).toMatch(/nested too deeply/)
})
