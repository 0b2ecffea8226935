// API definitions, and responses to requests that wait, in the OpenAPI description.
import { anyJson, parameter, text, type PathItem } from './parts.ts'

const DEFINITION = 'In either form: /_rig/proxy.schema.json'

/** `version`: `v2` or `v3`. */
export function definitionPaths(version: string): readonly PathItem[] {
  const list = { 'application/json': { schema: { type: 'array', items: { type: 'object', description: DEFINITION } } } }
  const definition = { 'application/json': { schema: { type: 'object', description: DEFINITION } } }
  const requestBody = { required: true, content: definition }
  const invalid = { description: 'What is wrong with it: {where: [{field: text}]}' }
  const changed = { 404: { description: 'There is none' }, 412: { description: 'If-Match names another version' } }
  return [
    [
      `/${version}/apis`,
      {
        get: { summary: 'API definitions', responses: { 200: { description: 'All', content: list } } },
        post: {
          summary: 'Adds an API definition, effective everywhere within five seconds',
          requestBody,
          responses: { 201: { description: 'Added' }, 400: invalid, 409: { description: 'There is one of this id' } },
        },
      },
    ],
    [
      `/${version}/apis/{id}`,
      {
        parameters: [parameter('id', 'path'), { ...parameter('if-match', 'header'), required: false }],
        get: {
          summary: 'One, with its version as ETag',
          responses: { 200: { description: 'The definition', content: definition }, 404: changed[404] },
        },
        put: {
          summary: 'Replaces the fields that are given',
          requestBody,
          responses: { 200: { description: 'Changed' }, 400: invalid, ...changed },
        },
        delete: { summary: 'Takes it away', responses: { 204: { description: 'Gone' }, ...changed } },
      },
    ],
    [
      `/${version}/responses`,
      {
        post: {
          summary: 'Answers a request that waits (response_from: http_async): its body is the answer',
          parameters: ['rig-correlation', 'rig-response-code'].map((name) => parameter(name, 'header')),
          responses: { 202: text('It is on its way, if anybody waits'), 400: text('What is wrong with it') },
        },
      },
    ],
  ]
}

export function importPaths(): readonly PathItem[] {
  return [
    [
      '/v3/apis/import',
      {
        post: {
          summary: 'Makes an API definition of an OpenAPI document, and lists what it cannot map',
          parameters: [parameter('id', 'query'), parameter('target', 'query')],
          requestBody: anyJson('OpenAPI 3.0 or 3.1'),
          responses: {
            201: { description: 'Added' },
            400: { description: 'What is wrong with the document' },
            409: { description: 'There is one of this id' },
          },
        },
      },
    ],
    [
      '/proxied-openapi.json',
      {
        get: {
          summary: 'The routes of all API definitions as one OpenAPI document',
          responses: { 200: { description: 'OpenAPI 3.1' } },
        },
      },
    ],
  ]
}
