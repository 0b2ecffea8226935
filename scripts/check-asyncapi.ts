// `npm run check:asyncapi`: fails if public/_rig/asyncapi.json is not valid AsyncAPI 3, refers to what is not there, or lacks one of
// Rigel's own events (src/objects/shard/system-events.ts) or a transport's path (src/http/app.ts).
import schemas from '@asyncapi/specs'
import { Ajv } from 'ajv'
import { readFileSync } from 'node:fs'

const document = JSON.parse(readFileSync('public/_rig/asyncapi.json', 'utf8')) as Record<string, unknown>
const text = JSON.stringify(document)
const problems = [...invalid(), ...dangling(document), ...missing()]

for (const problem of problems) console.error(problem)
console.log(`asyncapi.json: ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1

function invalid(): readonly string[] {
  // The schema brings its own copy of draft 7, which Ajv must not have as well.
  const validate = new Ajv({
    strict: false,
    validateFormats: false,
    allErrors: true,
    meta: false,
    validateSchema: false,
  }).compile(schemas.schemas['3.0.0'])
  if (validate(document)) return []
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message ?? 'is wrong'}`)
}

function dangling(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' && resolve(inner) === undefined
      ? [`${inner} is not there`]
      : dangling(inner),
  )
}

/** Local references only (RFC 6901). */
function resolve(reference: string): unknown {
  return reference
    .slice('#/'.length)
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)
}

function missing(): readonly string[] {
  const events = [...readFileSync('src/objects/shard/system-events.ts', 'utf8').matchAll(/ownEvent\(head, '([^']+)'/g)]
  const paths = [
    ...readFileSync('src/http/app.ts', 'utf8').matchAll(/`\$\{CONNECTION\}(\/(?:sse|ndjson|ws|longpolling))`/g),
  ]
  const wanted = [...events.map(([, type]) => type ?? ''), ...paths.map(([, path]) => `/_rig/v1/connection${path}`)]
  return [...new Set(wanted)].filter((name) => !text.includes(`"${name}"`)).map((name) => `${name} is not described`)
}
