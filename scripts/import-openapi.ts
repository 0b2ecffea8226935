// `npm run import -- openapi.yaml [--id ID] [--target URL] [--write]`: makes an API definition of an OpenAPI document, YAML or
// JSON, and prints it. What cannot be mapped goes to standard error. With --write the definition is added to proxy.json, or
// replaces the one of the same id there. Exits 1 if the document cannot be imported.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { importOpenApi } from '../src/api-definitions/import-openapi.ts'

const FILE = 'proxy.json'
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { id: { type: 'string' }, target: { type: 'string' }, write: { type: 'boolean' } },
})
const [path] = positionals
if (path === undefined) {
  console.error('usage: npm run import -- openapi.yaml [--id ID] [--target URL] [--write]')
  process.exit(1)
}
// JSON is YAML.
const document: unknown = parse(readFileSync(path, 'utf8'))
const imported = importOpenApi(document, { id: values.id ?? null, target: values.target ?? null })
if (!imported.ok) {
  console.error(`${path} ${imported.reason}`)
  process.exit(1)
}
const { definition, unmapped } = imported.value
for (const line of unmapped) console.error(`not mapped: ${line}`)
if (values.write) {
  const file = JSON.parse(readFileSync(FILE, 'utf8')) as { apis: { id?: unknown }[] }
  const others = file.apis.filter(({ id }) => id !== definition['id'])
  writeFileSync(FILE, `${JSON.stringify({ ...file, apis: [...others, definition] }, null, 2)}\n`)
  console.error(`${FILE} has the definition "${String(definition['id'])}".`)
} else console.log(JSON.stringify(definition, null, 2))
