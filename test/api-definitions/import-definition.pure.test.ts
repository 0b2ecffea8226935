// `npm run import`: what it makes of the texts of a document and of proxy.json, and what it refuses.
import { describe, expect, it } from 'vitest'
import { toDefinition, withDefinition } from '../../scripts/import/import-definition.ts'

const DOCUMENT = `
openapi: 3.1.0
info: { title: Books, version: "1" }
servers: [{ url: https://books.example.com }]
paths:
  /books: { get: {} }
`
const BY_DEFAULT = { id: null, target: null }
const books = { id: 'books', name: 'Books', target: 'https://books.example.com', routes: { 'GET /books': {} } }
const other = { id: 'other', target: 'https://o.example.com', routes: { 'GET /o': {} } }

describe('the text of a document', () => {
  it.each([
    ['YAML', DOCUMENT],
    [
      'JSON',
      JSON.stringify({
        openapi: '3.0.1',
        info: { title: 'Books' },
        servers: [{ url: books.target }],
        paths: { '/books': { get: {} } },
      }),
    ],
    ['YAML with a byte order mark and Windows line ends', `\uFEFF${DOCUMENT.trim().replaceAll('\n', '\r\n')}`],
    ['YAML with a merge key', DOCUMENT.replace('{ get: {} }', '{ x-all: &all { get: {} }, <<: *all }')],
    ['YAML with an anchor', DOCUMENT.replace('get: {}', 'get: &none {}, x-same: *none')],
  ])('becomes a definition: %s', (_name, text) => {
    expect(toDefinition(text, BY_DEFAULT)).toEqual({ ok: true, value: { definition: books, unmapped: [] } })
  })

  const bomb = Array.from({ length: 12 }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(',')}]`)
  it.each([
    ['text that is neither', 'a: [', 'is not YAML or JSON: '],
    ['a key twice', `${DOCUMENT}paths: {}\n`, 'is not YAML or JSON: Map keys must be unique'],
    ['two documents', `${DOCUMENT}---${DOCUMENT}`, 'is not YAML or JSON: '],
    [
      'aliases that grow without limit',
      ['a0: &a0 [x]', ...bomb].join('\n'),
      'is not YAML or JSON: Excessive alias count',
    ],
    ['no document of OpenAPI 3', 'swagger: "2.0"', 'must be an OpenAPI document of version 3.0 or 3.1'],
    ['nothing', '', 'must be an OpenAPI document'],
    [
      'a limit that is none',
      DOCUMENT.replace('get: {}', 'get: { x-max-body-bytes: -5 }'),
      'books/GET /books: max_body_bytes must be at least 0',
    ],
  ])('is refused in a line: %s', (_name, text, line) => {
    const refused = toDefinition(text, BY_DEFAULT)
    expect(refused.ok ? '' : refused.reason[0]).toContain(line)
  })

  it('is refused with a target that is none', () => {
    const refused = toDefinition(DOCUMENT, { id: null, target: 'books.example.com' })
    expect(refused.ok ? [] : refused.reason).toEqual([
      'books/GET /books: target must be a URL such as https://books.example.com, service:NAME, or env:VARIABLE',
    ])
  })
})

describe('proxy.json', () => {
  const written = (proxy: unknown) => {
    const file = withDefinition(JSON.stringify(proxy), books)
    return file.ok ? (JSON.parse(file.value) as unknown) : file.reason
  }

  it('gets the definition at its end, whether it is an object or a list', () => {
    expect(written({ $schema: 's', apis: [other] })).toEqual({ $schema: 's', apis: [other, books] })
    expect(written([other])).toEqual([other, books])
  })

  it('gets the definition in the place of the one with its id, because the first route that matches wins', () => {
    expect(written({ apis: [{ ...other, id: 'books' }, other] })).toEqual({ apis: [books, other] })
  })

  it('stays as it is if a route would never be reached in it', () => {
    const all = { ...other, routes: { '* /{path...}': {} } }
    expect(written({ apis: [all] })).toEqual([
      'books/GET /books: path is never reached: other/* /{path...} (* /{path...}) comes first',
    ])
  })

  it('stays as it is if it is no list of definitions', () => {
    expect(written({ api: [] })).toEqual(['must be a list of API definitions, or {"apis": [...]}'])
    expect(withDefinition('{', books)).toMatchObject({ ok: false })
  })
})
