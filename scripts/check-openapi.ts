// `npm run check:openapi`: fails if the OpenAPI document of the internal API is not valid, or refers to what is not there.
import { Validator } from '@seriousme/openapi-schema-validator'
import { openApiDocument } from '../src/http/admin/openapi/openapi.ts'

const document = JSON.parse(JSON.stringify(openApiDocument('/_rig/api'))) as Record<string, unknown>
const { errors, valid } = await new Validator().validate(structuredClone(document))
const dangling = referencesOf(document).filter((reference) => resolve(reference) === undefined)

if (!valid) console.error(JSON.stringify(errors, null, 2))
for (const reference of dangling) console.error(`${reference} is not there`)
console.log(`openapi.json: ${valid && dangling.length === 0 ? 'valid' : 'not valid'}`)
process.exitCode = valid && dangling.length === 0 ? 0 : 1

function referencesOf(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : referencesOf(inner),
  )
}

/** Local references only (RFC 6901): the document has no others. */
function resolve(reference: string): unknown {
  return reference
    .slice('#/'.length)
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)
}
