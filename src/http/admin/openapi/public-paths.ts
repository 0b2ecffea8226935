// The endpoints of clients in the OpenAPI description: connections, their PUT requests, publishing, health. Frames and Rigel's own
// events are in asyncapi.json.
import { CONNECTOR, DEDUPE, anyJson, json, parameter, reference, text, type Json, type PathItem } from './parts.ts'

const CONNECTION = '/_rig/v1/connection'

/** These paths are not below the internal API's prefix, and their tokens are those of users. */
export function publicPaths(): readonly PathItem[] {
  return [...streams(), ...puts(), history(), publishing(), health()].map(([path, item]) => [
    path,
    { servers: [{ url: '/' }], ...item },
  ])
}

function streams(): readonly PathItem[] {
  const names = ['subscriptions', 'jwt', 'token', 'last_event_id', 'since', 'as_of', 'metadata', 'name']
  const parameters = names.map((name) => parameter(name, 'query'))
  const refusals = {
    400: text('What is wrong with a parameter'),
    401: text('What is wrong with the token'),
    403: text('The subscriptions are denied'),
    429: text('Too many connections: Retry-After'),
  }
  const open = (transport: string, summary: string, answer: Json): PathItem => [
    `${CONNECTION}/${transport}`,
    { get: userOperation({ summary, parameters, responses: { ...answer, ...refusals } }) },
  ]
  const stream = (type: string) => ({
    200: { description: 'Events', content: { [type]: { schema: { type: 'string' } } } },
  })
  return [
    open('sse', 'Events as Server-Sent Events', stream('text/event-stream')),
    open('ndjson', 'Events as lines of JSON', stream('application/x-ndjson')),
    open('ws', 'Events by WebSocket', { 101: { description: 'The WebSocket' }, 426: text('It is no upgrade') }),
    open('longpolling', 'Opens a session, or polls that of the cookie or of connection_token', {
      200: { description: '"ok", or events', content: { 'application/json': { schema: {} } } },
    }),
  ]
}

function puts(): readonly PathItem[] {
  const parameters = [
    {
      ...parameter('transport', 'path'),
      schema: { type: 'string', enum: ['sse', 'ndjson', 'ws', 'longpolling'] },
    },
    parameter('token', 'path'),
  ]
  const refusals = { 400: text('What is wrong with the request'), 410: text('There is no such connection') }
  const put = (name: string, operation: Json, answer: Json): PathItem => [
    `${CONNECTION}/{transport}/{token}/${name}`,
    { parameters, put: userOperation({ ...operation, responses: { ...answer, ...refusals } }) },
  ]
  return [
    put(
      'subscriptions',
      {
        summary: 'Replaces the subscriptions of a connection',
        requestBody: anyJson('{"subscriptions": [{"eventType": "order.*"}]}'),
      },
      { 204: { description: 'Replaced' }, 403: text('Subscription denied.') },
    ),
    put(
      'metadata',
      {
        summary: 'Replaces the metadata of a connection',
        requestBody: anyJson('{"metadata": {"device": "phone"}}'),
      },
      { 204: { description: 'Replaced' } },
    ),
    put(
      'passed',
      {
        summary: 'Asks to be told when everything up to offsets has been sent',
        requestBody: anyJson('{"offsets": "orders/3@1042", "ref": "1"}'),
      },
      { 204: { description: 'It has, and rig.passed in the stream says so' }, 503: text('Not yet: ask again') },
    ),
    put(
      'token',
      { summary: 'Gives a connection a new token of its user, in Authorization' },
      { 200: { description: 'Until when the connection lasts', content: { 'application/json': { schema: {} } } } },
    ),
  ]
}

function history(): PathItem {
  const names = ['types', 'subscriptions', 'since', 'after', 'limit', 'jwt', 'token']
  const get = userOperation({
    summary: 'Events that are stored already, by pages',
    parameters: names.map((name) => parameter(name, 'query')),
    responses: {
      200: { description: 'A page', content: { 'application/json': { schema: { type: 'object' } } } },
      400: text('What is wrong with a parameter'),
      401: text('What is wrong with the token'),
      403: text('A rule of a type forbids it'),
    },
  })
  return ['/_rig/v1/history', { get }]
}

function publishing(): PathItem {
  const parameters = [DEDUPE, CONNECTOR, { ...parameter('idempotency-key', 'header'), required: false }]
  const event = { schema: reference('CloudEvent') }
  const batch = { schema: { type: 'array', items: event.schema } }
  const post = userOperation({
    summary: 'Publishes a CloudEvent: structured, binary or batched mode',
    parameters,
    requestBody: {
      required: true,
      content: { 'application/cloudevents+json': event, 'application/cloudevents-batch+json': batch },
    },
    responses: {
      202: json('Durable in the log, at this place', 'Place'),
      400: text('Not a CloudEvent'),
      403: text('Submission denied.'),
      408: text('The body came too slowly'),
      413: text('Too large'),
      415: text('Unknown content type or coding'),
      429: text('Over the publisher’s budget: Retry-After'),
      503: text('The log takes nothing at the moment: Retry-After'),
    },
  })
  return ['/_rig/v1/events', { post }]
}

function health(): PathItem {
  const responses = { 200: text('OK'), 500: text('What is wrong with the configuration') }
  return ['/_rig/health', { get: { summary: 'Whether Rigel can work', security: [], responses } }]
}

/** Most gateways let clients connect without a token. */
function userOperation(operation: Json): Json {
  return { security: [{}, { userToken: [] }], ...operation }
}
