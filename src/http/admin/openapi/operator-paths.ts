// Health, followers, dead letters, tries, explanations, erasures and metrics in the OpenAPI description.
import { anyJson, json, parameter, reference, text, type PathItem } from './parts.ts'

export function operatorPaths(): readonly PathItem[] {
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
      '/v1/shards',
      {
        get: {
          summary: 'The number of shards, and how far a change of it has come',
          responses: { 200: json('Now', 'Shards') },
        },
        put: {
          summary: 'Changes the number of shards: nobody misses an event, and nobody is told of a gap',
          requestBody: { required: true, content: { 'application/json': { schema: reference('ShardsChange') } } },
          responses: { 202: json('The change goes on by itself', 'Shards'), 400: text('No number of shards') },
        },
      },
    ],
    [
      '/v1/explain',
      {
        get: {
          summary: 'Why a user got an event, or did not',
          parameters: [parameter('event', 'query'), parameter('user', 'query')],
          responses: {
            200: { description: 'The way of the event, and the cause' },
            400: text('A wrong parameter'),
            404: { description: 'No such event', content: { 'application/json': { schema: { type: 'object' } } } },
          },
        },
      },
    ],
    [
      '/v1/users/{user}',
      {
        delete: {
          summary: 'Closes the connections of a user, erases what Rigel holds, and says what Kafka still does',
          parameters: [
            parameter('user', 'path'),
            {
              name: 'revoke_seconds',
              in: 'query',
              description: "How long the tokens of the user's sessions are refused; not given: not at all",
              schema: { type: 'integer', minimum: 1, maximum: 31_536_000 },
            },
          ],
          responses: {
            200: { description: 'What was closed, revoked and erased, and what remains where' },
            400: text('A wrong parameter'),
          },
        },
      },
    ],
    ['/metrics', { get: { summary: "Prometheus' text format", responses: { 200: text('Metrics') } } }],
  ]
}
