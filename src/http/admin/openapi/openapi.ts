// The OpenAPI 3.1 description of the internal API, made by zod from the schemas that validate it. Served at openapi.json
// without a token: everything in it is in this repository too. scripts/check-openapi.ts validates it.
import { definitionPaths, importPaths } from './definition-paths.ts'
import { operatorPaths } from './operator-paths.ts'
import { componentSchemas, type Json } from './parts.ts'
import { sessionPaths } from './session-paths.ts'

export function openApiDocument(prefix: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Rigel, internal API', version: '3', license: { name: 'Apache-2.0' } },
    servers: [{ url: prefix }],
    security: [{ internalToken: [] }],
    paths: Object.fromEntries([
      ...sessionPaths('v3'),
      ...definitionPaths('v3'),
      ...importPaths(),
      ...sessionPaths('v2').slice(0, 2),
      ...definitionPaths('v2'),
      ...operatorPaths(),
    ]),
    components: {
      securitySchemes: { internalToken: { type: 'http', scheme: 'bearer', description: 'INTERNAL_TOKEN' } },
      schemas: componentSchemas(),
    },
  }
}
