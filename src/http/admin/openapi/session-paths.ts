// Publishing, sessions, users and connections in the OpenAPI description.
import { connectionsQuery, usersQuery } from '../admin-schema.ts'
import {
  CONNECTOR,
  DEDUPE,
  json,
  jsonBody,
  parameter,
  queryParameters,
  reference,
  text,
  type PathItem,
} from './parts.ts'

/** `version`: `v2` or `v3`. */
export function sessionPaths(version: string): readonly PathItem[] {
  const session = parameter('sessionId', 'path')
  const filters = queryParameters(connectionsQuery.omit({ after: true, limit: true }))
  const page = queryParameters(usersQuery)
  return [
    [
      `/${version}/messages`,
      {
        post: {
          summary:
            'Publishes a CloudEvent: structured, binary or batched mode; with a connector, pushes (docs/push.md)',
          parameters: [CONNECTOR, DEDUPE],
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
          requestBody: jsonBody('Revocation'),
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
    [
      `/${version}/users`,
      {
        get: {
          summary: 'Who is connected, by pages',
          parameters: page,
          responses: { 200: json('Users', 'UserList'), 400: text('A wrong parameter') },
        },
      },
    ],
    [
      `/${version}/connections/count`,
      {
        parameters: filters,
        get: {
          summary: 'How many connections: of a user, of a session, or all',
          responses: { 200: json('The counts', 'ConnectionCounts'), 400: text('A wrong parameter') },
        },
      },
    ],
    [
      `/${version}/connections`,
      {
        parameters: filters,
        get: {
          summary: 'Connections: of a user, of a session, or all, by pages',
          parameters: page,
          responses: { 200: json('Connections', 'ConnectionList'), 400: text('A wrong parameter') },
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
