// `npm run check:openapi`: fails if the OpenAPI document is not valid, refers to what is not there, or has an operation without a
// summary, without a response of success, or with other path parameters than its path.
import { Validator } from '@seriousme/openapi-schema-validator'
import { openApiDocument } from '../src/http/admin/openapi/openapi.ts'

const document = JSON.parse(JSON.stringify(openApiDocument('/_rig/api'))) as Record<string, unknown>
const { errors, valid } = await new Validator().validate(structuredClone(document))
const dangling = referencesOf(document).filter((reference) => resolve(reference) === undefined)

const problems = [...dangling.map((reference) => `${reference} is not there`), ...lint(document)]

if (!valid) console.error(JSON.stringify(errors, null, 2))
for (const problem of problems) console.error(problem)
console.log(`openapi.json: ${valid && problems.length === 0 ? 'valid' : 'not valid'}`)
process.exitCode = valid && problems.length === 0 ? 0 : 1

interface Operation {
  readonly summary?: string
  readonly parameters?: readonly Parameter[]
  readonly responses?: Readonly<Record<string, unknown>>
}

interface Parameter {
  readonly name: string
  readonly in: string
}

/** What the OpenAPI schema allows, and readers of the document need. */
function lint({ paths }: Record<string, unknown>): readonly string[] {
  return Object.entries(paths as Record<string, Record<string, unknown>>).flatMap(([path, item]) =>
    ['get', 'put', 'post', 'delete', 'patch', 'head', 'options']
      .filter((method) => method in item)
      .flatMap((method) => {
        const operation = item[method] as Operation
        const parameters = [
          ...((item['parameters'] as readonly Parameter[] | undefined) ?? []),
          ...(operation.parameters ?? []),
        ]
        const names = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
        const inPath = path.match(/(?<=\{)[^}]+/g) ?? []
        const succeeds = Object.keys(operation.responses ?? {}).some((status) => /^[123]/.test(status))
        return [
          ...(operation.summary ? [] : ['has no summary']),
          ...(succeeds ? [] : ['has no response of success']),
          ...(names.toSorted().join() === inPath.toSorted().join()
            ? []
            : [`has the path parameters ${names.join() || 'none'}`]),
        ].map((problem) => `${method.toUpperCase()} ${path} ${problem}`)
      }),
  )
}

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
