// `npm run import -- openapi.yaml [--id ID] [--target URL] [--write]`: makes an API definition of an OpenAPI document, YAML or
// JSON, and prints it. What cannot be mapped goes to standard error. With --write the definition is added to proxy.json, or
// replaces the one of the same id. Exits 1, and writes nothing, if the document cannot be imported, or Rigel would refuse the
// definition or proxy.json with it.
import { readFileSync, writeFileSync } from 'node:fs'
import { exit, readCommandLine } from './command-line.ts'
import { toDefinition, withDefinition } from './import/import-definition.ts'

const FILE = 'proxy.json'
const USAGE = 'npm run import -- openapi.yaml [--id ID] [--target URL] [--write]'

const { path, ...options } = readArguments()
const imported = toDefinition(read(path), options)
if (!imported.ok) exit(imported.reason.map((line) => `${path} ${line}`).join('\n'))
const { definition, unmapped } = imported.value
for (const line of unmapped) console.error(`not mapped: ${line}`)
if (options.write) {
  const file = withDefinition(read(FILE), definition)
  if (!file.ok) exit(file.reason.map((line) => `${FILE} ${line}`).join('\n'))
  writeFileSync(FILE, file.value)
  console.error(`${FILE} has the definition "${String(definition['id'])}".`)
} else console.log(JSON.stringify(definition, null, 2))

function readArguments() {
  const { positionals, values } = readCommandLine(USAGE, {
    allowPositionals: true,
    options: { id: { type: 'string' }, target: { type: 'string' }, write: { type: 'boolean' } },
  })
  const [first, ...others] = positionals
  if (first === undefined || others.length > 0) exit(`usage: ${USAGE}`)
  return { path: first, id: values.id ?? null, target: values.target ?? null, write: values.write === true }
}

function read(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (error) {
    exit(`${name} cannot be read: ${messageOf(error)}`)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
