// Attributes in HTTP headers: quoted strings and percent escapes, by the HTTP protocol binding 1.0, 3.1.3.2.
import { expect, it } from 'vitest'
import { readHeaderAttributes } from '../../../src/http/events/header-attributes.ts'

const read = (value: string) => readHeaderAttributes(new Headers({ 'ce-subject': value }))

it.each([
  ['plain text', 'plain text'],
  ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
  ['"in quotes"', 'in quotes'],
  [String.raw`"a \"b\" \\c"`, String.raw`a "b" \c`],
  ['"in%20both"', 'in both'],
  ['one%2520round', 'one%20round'],
  ['a "b" c', 'a "b" c'],
  ['""', ''],
])('%s is %j', (value, subject) => {
  expect(read(value)).toEqual({ ok: true, value: { subject } })
})

it.each([
  ['100%', 'has a "%" that begins no escape: write it as %25'],
  ['%zz', 'has a "%" that begins no escape: write it as %25'],
  ['%E2%82', 'has percent escapes that are not UTF-8'],
  ['%C0%A0', 'has percent escapes that are not UTF-8'],
  ['%ED%A0%80', 'has percent escapes that are not UTF-8'],
  ['"open', 'begins with a double quote, and is no quoted string'],
  ['"a" b', 'begins with a double quote, and is no quoted string'],
])('%s is refused, and named', (value, reason) => {
  expect(read(value)).toEqual({ ok: false, reason: `the header ce-subject ${reason}` })
})

it('other headers are not read, and ce-data is no attribute', () => {
  const headers = new Headers({ 'ce-id': '1', 'ce-data': 'x', 'x-id': '100%' })
  expect(readHeaderAttributes(headers)).toEqual({ ok: true, value: { id: '1' } })
})
