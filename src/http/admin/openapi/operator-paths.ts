// Health, followers, dead letters, tries, explanations, erasures and metrics in the OpenAPI description.
import { deadLettersQuery, explainQuery } from '../admin-schema.ts'
import { anyJson, json, jsonBody, parameter, queryParameters, text, type PathItem } from './parts.ts'

export function operatorPaths(): readonly PathItem[] {
  return [
    [
      '/health',
      {
        get: {
          summary: 'Whether every follower, shard, registry, the Directory and the embedded broker work',
          responses: { 200: text('OK'), 503: text('A line for each that fails, with the reason') },
        },
      },
    ],
    [
      '/v3/followers',
      {
        get: {
          summary: 'Position, lag, counters and last error of the follower of each partition',
          responses: { 200: { description: 'By topic and partition' } },
        },
      },
    ],
    [
      '/v3/dead-letters',
      {
        get: {
          summary: 'The last dead letters of each partition, with reason, rule, origin and content',
          parameters: queryParameters(deadLettersQuery),
          responses: { 200: { description: 'Dead letters, the oldest first' }, 400: text('A wrong parameter') },
        },
      },
    ],
    [
      '/v3/dead-letters/replay',
      {
        post: {
          summary:
            'Produces the records of dead letters again, to the topics that they came from, as they are or changed',
          requestBody: anyJson(
            '{"dead_letters": [{"partition": 0, "offset": 17, "record": {"key", "value", "headers"}}]}, at most 500; "record", if present, changes the record',
          ),
          responses: {
            202: { description: 'Their new places' },
            400: text('A dead letter that does not exist, or a changed record that would not be an event'),
          },
        },
      },
    ],
    [
      '/v3/dead-letters/discard',
      {
        post: {
          summary: 'Marks dead letters as discarded: they stay in the topic',
          requestBody: jsonBody('Discard'),
          responses: { 200: { description: 'How many' }, 400: text('A wrong body') },
        },
      },
    ],
    [
      '/v1/topics/{topic}/try',
      {
        post: {
          summary: 'What the rule of a topic does with a record: an event, dropped, or a dead letter',
          parameters: [parameter('topic', 'path')],
          requestBody: jsonBody('Try'),
          responses: { 200: { description: 'The outcome; nothing is produced' }, 400: text('A wrong record or rule') },
        },
      },
    ],
    [
      '/v1/shards',
      {
        get: {
          summary: 'The number of shards, and the progress of a change',
          responses: { 200: json('The current state', 'Shards') },
        },
        put: {
          summary: 'Changes the number of shards; clients miss no events',
          requestBody: jsonBody('ShardsChange'),
          responses: {
            202: json('The change continues by itself', 'Shards'),
            400: text('An invalid number of shards'),
          },
        },
      },
    ],
    [
      '/v1/explain',
      {
        get: {
          summary: 'Why a user got an event, or did not',
          parameters: queryParameters(explainQuery),
          responses: {
            200: { description: 'The event, its shards and connections, the verdict and the cause' },
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
          summary: "Closes a user's connections, erases the user's data in Rigel, and lists the data that remains",
          parameters: [
            parameter('user', 'path'),
            {
              name: 'revoke_seconds',
              in: 'query',
              description: "How long the tokens of the user's sessions are refused; absent: they stay valid",
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
