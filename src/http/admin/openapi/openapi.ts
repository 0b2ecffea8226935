// The OpenAPI 3.1 description of the internal API and of the endpoints of clients, made by zod from the schemas that validate it. Served at openapi.json
// without a token: everything in it is in this repository too. scripts/check-openapi.ts validates it.
import { definitionPaths, importPaths } from './definition-paths.ts'
import { operatorPaths } from './operator-paths.ts'
import { isObject } from '../../../core/json.ts'
import { componentSchemas, text, type Json, type PathItem } from './parts.ts'
import { publicPaths } from './public-paths.ts'
import { sessionPaths } from './session-paths.ts'

export function openApiDocument(prefix: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Rigel', version: '3', license: { name: 'Apache-2.0' } },
    servers: [{ url: prefix }],
    security: [{ internalToken: [] }],
    paths: Object.fromEntries([
      ...publicPaths(),
      ...[
        ...sessionPaths('v3'),
        ...definitionPaths('v3'),
        ...importPaths(),
        ...sessionPaths('v2').slice(0, 2),
        ...definitionPaths('v2'),
        ...operatorPaths(),
      ].map(withRefusals),
    ]),
    components: {
      securitySchemes: {
        internalToken: { type: 'http', scheme: 'bearer', description: 'INTERNAL_TOKEN' },
        userToken: { type: 'http', scheme: 'bearer', description: 'The token of a user' },
      },
      schemas: componentSchemas(),
    },
  }
}

const METHODS = new Set(['get', 'post', 'put', 'delete'])

/** Every operation may be refused for its token. */
function withRefusals([path, item]: PathItem): PathItem {
  const operations = Object.entries(item).map(([key, operation]): [string, unknown] => {
    if (!METHODS.has(key) || !isObject(operation)) return [key, operation]
    const refusals = {
      401: text('There is no token, or a wrong one'),
      403: text('INTERNAL_TOKEN is not set, or the token may only look'),
    }
    const responses = operation['responses']
    return [key, { ...operation, responses: { ...(isObject(responses) ? responses : {}), ...refusals } }]
  })
  return [path, Object.fromEntries(operations)]
}
