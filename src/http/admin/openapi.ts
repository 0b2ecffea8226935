// The OpenAPI 3.1 description of the internal API, made by zod from the schemas that validate it. Served at openapi.json
// without a token: everything in it is in this repository too. scripts/check-openapi.ts validates it.
import { z } from 'zod'
import {
  cloudEvent,
  closedAnswer,
  connectionInfo,
  connectionList,
  place,
  revocationShape,
  userList,
} from './admin-schema.ts'

type Json = Readonly<Record<string, unknown>>

const SCHEMAS = {
  CloudEvent: cloudEvent,
  Closed: closedAnswer,
  Connection: connectionInfo,
  ConnectionList: connectionList,
  Place: place,
  Revocation: revocationShape,
  UserList: userList,
}

const DEFINITION = 'In either form: /_rig/proxy.schema.json'

export function openApiDocument(prefix: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Rigel, internal API', version: '3', license: { name: 'Apache-2.0' } },
    servers: [{ url: prefix }],
    security: [{ internalToken: [] }],
    paths: Object.fromEntries([
      ...paths('v3'),
      ...apiPaths('v3'),
      ...paths('v2').slice(0, 2),
      ...apiPaths('v2'),
      ...unversioned(),
    ]),
    components: {
      securitySchemes: { internalToken: { type: 'http', scheme: 'bearer', description: 'INTERNAL_TOKEN' } },
      schemas: componentSchemas(),
    },
  }
}

function paths(version: string): readonly (readonly [string, Json])[] {
  const session = parameter('sessionId', 'path')
  return [
    [
      `/${version}/messages`,
      {
        post: {
          summary:
            'Publishes a CloudEvent: structured, binary or batched mode; with a connector, pushes (docs/push.md)',
          parameters: [parameter('connector', 'query'), parameter('dedupe', 'query')],
          requestBody: {
            required: true,
            content: { 'application/cloudevents+json': { schema: reference('CloudEvent') } },
          },
          responses: {
            202: json('Durable in the log, at this place', 'Place'),
            400: text('Not a CloudEvent'),
            413: text('Too large'),
            415: text('Unknown content type'),
          },
        },
      },
    ],
    [
      `/${version}/session-blacklist`,
      {
        post: {
          summary: 'Revokes a session: closes its connections, and refuses its tokens everywhere',
          requestBody: { required: true, content: { 'application/json': { schema: reference('Revocation') } } },
          responses: { 201: { description: 'Its connections are closed' }, 400: text('What is wrong with the body') },
        },
      },
    ],
    [
      `/${version}/session-blacklist/{sessionId}`,
      {
        parameters: [session],
        get: {
          summary: 'Whether a session is revoked',
          responses: { 200: { description: 'It is' }, 404: text('It is not') },
        },
      },
    ],
    [`/${version}/users`, { get: { summary: 'Who is connected', responses: { 200: json('Users', 'UserList') } } }],
    [
      `/${version}/connections`,
      {
        parameters: ['user', 'session', 'field', 'value'].map((name) => parameter(name, 'query')),
        get: {
          summary: 'Connections: of a user, of a session, or all',
          parameters: [parameter('limit', 'query')],
          responses: { 200: json('Connections', 'ConnectionList') },
        },
        delete: {
          summary: 'Closes those of a user or of a session',
          responses: { 200: json('How many', 'Closed'), 400: text('Neither is named') },
        },
      },
    ],
    [
      `/${version}/connections/{connectionToken}`,
      {
        parameters: [parameter('connectionToken', 'path')],
        delete: {
          summary: 'Closes one connection',
          responses: { 200: json('Closed', 'Closed'), 410: text('There is none') },
        },
      },
    ],
  ]
}

/** The paths of API definitions. */
function apiPaths(version: string): readonly (readonly [string, Json])[] {
  const definition = { 'application/json': { schema: { type: 'object', description: DEFINITION } } }
  const requestBody = { required: true, content: definition }
  const invalid = { description: 'What is wrong with it: {where: [{field: text}]}' }
  const changed = { 404: { description: 'There is none' }, 412: { description: 'If-Match names another version' } }
  return [
    [
      `/${version}/apis`,
      {
        get: { summary: 'API definitions', responses: { 200: { description: 'All', content: definition } } },
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

function unversioned(): readonly (readonly [string, Json])[] {
  return [
    [
      '/health',
      {
        get: {
          summary: 'Whether every follower gets on',
          responses: { 200: text('OK'), 503: text('A line for each that does not, with the reason') },
        },
      },
    ],
    [
      '/v3/followers',
      {
        get: {
          summary: 'How far the follower of each partition is, and what it met',
          responses: { 200: { description: 'By topic and partition' } },
        },
      },
    ],
    [
      '/v3/dead-letters',
      {
        get: {
          summary: 'The last dead letters of each partition, with reason, rule, origin and content',
          parameters: [parameter('limit', 'query'), parameter('partition', 'query'), parameter('offset', 'query')],
          responses: { 200: { description: 'Dead letters, the oldest first' }, 400: text('A wrong parameter') },
        },
      },
    ],
    [
      '/v3/dead-letters/replay',
      {
        post: {
          summary: 'Produces the records of dead letters again, to the topics that they came from',
          requestBody: anyJson('{"dead_letters": [{"partition": 0, "offset": 17}]}, at most 500'),
          responses: { 202: { description: 'Where they are now' }, 400: text('A dead letter that is not there') },
        },
      },
    ],
    [
      '/v1/topics/{topic}/try',
      {
        post: {
          summary: 'What the rule of a topic does with a record: an event, dropped, or a dead letter',
          parameters: [parameter('topic', 'path')],
          requestBody: anyJson('{"key", "headers", "value" or "value_base64", "timestamp", "rule"}'),
          responses: { 200: { description: 'The outcome; nothing is produced' }, 400: text('A wrong record or rule') },
        },
      },
    ],
    [
      '/v1/explain',
      {
        get: {
          summary: 'Why a user got an event, or did not',
          parameters: [parameter('event', 'query'), parameter('user', 'query')],
          responses: { 200: { description: 'The way of the event, and the cause' }, 404: text('No such event') },
        },
      },
    ],
    ['/metrics', { get: { summary: "Prometheus' text format", responses: { 200: text('Metrics') } } }],
  ]
}

function parameter(name: string, where: 'header' | 'path' | 'query'): Json {
  return { name, in: where, required: where !== 'query', schema: { type: name === 'limit' ? 'integer' : 'string' } }
}

function anyJson(description: string): Json {
  return { description, required: true, content: { 'application/json': { schema: { type: 'object' } } } }
}

function json(description: string, name: keyof typeof SCHEMAS): Json {
  return { description, content: { 'application/json': { schema: reference(name) } } }
}

function text(description: string): Json {
  return { description, content: { 'text/plain': { schema: { type: 'string' } } } }
}

function reference(name: keyof typeof SCHEMAS): Json {
  return { $ref: `#/components/schemas/${name}` }
}

/** Returns every schema by its name. A schema within another one is a reference, if it has a name. */
function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}` })
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, withoutIds(schema)]))
}

/** OpenAPI references a schema by its place in the document. */
function withoutIds(schema: Json): Json {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'))
}
