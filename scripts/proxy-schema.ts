// `npm run schema`: writes the JSON Schema of API definitions for editors, which proxy.json names and Rigel serves at
// /_rig/proxy.schema.json. With `--check`, which is part of the gate, it writes nothing and fails if it would have.
import { readFileSync, writeFileSync } from 'node:fs'
import { definitionsJsonSchema } from '../src/api-definitions/parse-definitions.ts'

const FILE = 'public/_rig/proxy.schema.json'

const made = `${JSON.stringify(definitionsJsonSchema(), null, 2)}\n`
if (!process.argv.includes('--check')) writeFileSync(FILE, made)
else if (readFileSync(FILE, 'utf8') !== made) {
  console.error(`${FILE} is not what src/api-definitions says: run \`npm run schema\`.`)
  process.exitCode = 1
}
