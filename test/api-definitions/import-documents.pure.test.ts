// Whole OpenAPI documents as people have them, in openapi/: what becomes of each, and that every definition is accepted.
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { importOpenApi } from '../../src/api-definitions/import/import-openapi.ts'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'

const documents = import.meta.glob<string>('./openapi/*.yaml', { query: '?raw', import: 'default', eager: true })
const definitionEnv = {
  variable: () => undefined,
  hasService: () => false,
  hasSource: () => true,
  hasRateLimit: () => false,
  canSignClaims: false,
}

function imported(file: string, target: string | null = null) {
  const document: unknown = parse(documents[`./openapi/${file}.yaml`] ?? '')
  const result = importOpenApi(document, { id: null, target })
  if (!result.ok) return result
  const { definition, unmapped } = result.value
  expect(parseDefinitions([definition], definitionEnv)).toMatchObject({ ok: true })
  return { ok: true, definition, unmapped } as const
}

describe('the import of a document', () => {
  it('with a relative server asks for the target, and prefers security by tokens', () => {
    expect(imported('pets')).toEqual({
      ok: false,
      reason: 'has no server with an absolute URL: give the target, with the path of its server /api/v3',
    })
    const both = ['write:pets', 'read:pets']
    expect(imported('pets', 'https://pets.example.com/api/v3')).toEqual({
      ok: true,
      definition: {
        id: 'swagger-petstore-openapi-3-0',
        name: 'Swagger Petstore - OpenAPI 3.0',
        target: 'https://pets.example.com/api/v3',
        routes: {
          'PUT /pet': { secured: true, scopes: both },
          'POST /pet': { secured: true, scopes: both },
          'GET /pet/findByStatus': { secured: true, scopes: ['read:pets'] },
          'GET /store/inventory': { secured: true },
          'GET /user/login': {},
          'GET /pet/{petId}': { secured: true, scopes: ['read:pets'] },
          'DELETE /pet/{petId}': { secured: true, scopes: ['write:pets'] },
          'POST /pet/{id}/uploadImage': { secured: true, scopes: ['write:pets'], max_body_bytes: 2_000_000 },
        },
      },
      unmapped: [
        'the document: the server /api/v3 is not used',
        'GET /pet/{petId}: only one of 2 alternative securities is used: petstore_auth',
        'GET /store/inventory: the security scheme api_key is not a bearer token, which is required instead',
      ],
    })
  })

  it('with every kind of security opens no route that is secured there', () => {
    expect(imported('every-security')).toMatchObject({
      definition: {
        id: 'accounts-payments',
        routes: {
          'GET /open': {},
          'GET /inherited': { secured: true },
          'GET /basic': { secured: true },
          'GET /digest': { secured: true },
          'GET /key-in-query': { secured: true },
          'GET /mutual': { secured: true },
          'GET /oidc': { secured: true, scopes: ['accounts'] },
          'POST /oauth': { secured: true, scopes: ['pay'] },
          'GET /both': { secured: true, scopes: ['pay'] },
          'GET /either': { secured: true, scopes: ['accounts'] },
          'GET /optional': { secured: true, scopes: ['pay'] },
          'GET /by-reference': { secured: true, scopes: ['pay'] },
        },
      },
      unmapped: [
        'GET /basic: the security scheme basic is not a bearer token, which is required instead',
        'GET /digest: the security scheme digest is not a bearer token, which is required instead',
        'GET /key-in-query: the security scheme key is not a bearer token, which is required instead',
        'GET /mutual: the security scheme mutual is not a bearer token, which is required instead',
        'GET /both: the security scheme key is not a bearer token, which is required instead',
        'GET /either: only one of 3 alternative securities is used: oidc',
        'GET /optional: security is optional there, and required here',
      ],
    })
  })

  it('with servers replaces variables, and keeps base paths', () => {
    expect(imported('servers')).toMatchObject({
      definition: {
        target: 'https://eu-1.weather.example.com:8443/v2',
        routes: {
          'GET /alerts': {},
          'POST /alerts': { target: 'https://alerts.example.com/in' },
          'GET /maps/{z}/{x}/{y}': { target: 'https://tiles.example.com/weather' },
          'HEAD /maps/{z}/{x}/{y}': { target: 'https://tiles.example.com/weather' },
          'GET /stations/nearest/observations/{time}': {},
          'GET /stations/{station_id}/observations/{time}': {},
        },
      },
      unmapped: [
        'the document: the server https://sandbox.weather.example.com is not used',
        'POST /alerts: the server //alerts.example.com is not used',
      ],
    })
  })

  it('with references follows those within the document', () => {
    expect(imported('references')).toMatchObject({
      definition: {
        routes: {
          'GET /books': {},
          'POST /books': { max_body_bytes: 4_096 },
          'GET /books/{isbn}': {},
          'PUT /books/{isbn}': { max_body_bytes: 9_000 },
          'GET /books/{isbn}/~loans': {},
          'PUT /books/{isbn}/~loans': { max_body_bytes: 9_000 },
        },
      },
      unmapped: [
        '/loans: its $ref is not in the document',
        '/loop: its $ref is not in the document',
        'webhooks: Rigel has no routes for them',
      ],
    })
  })

  it('with odd paths lists each that no route can have', () => {
    expect(imported('odd-paths')).toMatchObject({
      definition: {
        id: 'imported',
        routes: {
          'GET /items/{item_id}': {},
          'PATCH /items/{item_id}': {},
          'DELETE /items/{itemId}': {},
          'GET /Käse/{gr__e}': {},
          'GET /trailing/': {},
          'GET /': {},
        },
      },
      unmapped: [
        '/files/{name}.{ext}: "{name}.{ext}" must be text, {name}, or at the end {name...}',
        '/search?kind=book: must have no query and no fragment',
        '/books#deprecated: must have no query and no fragment',
        'no-slash: must begin with "/"',
        '/wild/*: "*" must be text, {name}, or at the end {name...}',
        '/a/../b: must have no segment "." or "..": clients resolve them',
        '/pairs/{a-b}/{a_b}: {a_b} must occur once',
        'TRACE /: a Worker cannot send it',
        'GET /items/{itemId}: GET /items/{item-id} is the same route, and comes first',
      ],
    })
  })
})
