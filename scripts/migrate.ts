// `npm run migrate -- values.yaml [rig.env …] > rigel.env`: prints RIG's settings as Rigel's variables on standard
// output. Prints notes, settings without a counterpart and obstacles on standard error. Reads Helm values, Kubernetes
// manifests, compose files and files of NAME=value lines; later files win. Changes nothing. docs/migrating-from-rig.md
// has the procedure.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { exit, readCommandLine } from './command-line.ts'
import { readYaml, type RigSettings } from './migrate/read-settings.ts'
import { translate } from './migrate/translate.ts'

const USAGE = 'npm run migrate -- values.yaml [rig.env …] > rigel.env'

const { positionals } = readCommandLine(USAGE, {
  allowPositionals: true,
})
if (positionals.length === 0) exit(`usage: ${USAGE}`)
const missing = positionals.filter((path) => !existsSync(path))
if (missing.length > 0) exit(`there is no file ${missing.join(', ')}`)

const settings = positionals.map(readSettings).reduce((all, next): RigSettings => ({
  variables: { ...all.variables, ...next.variables },
  replicas: next.replicas ?? all.replicas,
}))
if (Object.keys(settings.variables).length === 0) {
  exit(
    `${positionals.join(', ')}: no variables found: expected values.yaml with deployment.env, a manifest, a compose file, or NAME=value lines`,
  )
}
const { carried, compatible, notes, problems, unreachable, without } = translate(settings, readBeside)
console.log(section('Variables of RIG, with the same meaning.', carried))
console.log(
  section(
    'Settings that keep the behaviour of RIG. Remove each when you can (docs/migrating-from-rig.md).',
    compatible,
  ),
)
tell('To know', notes)
tell('No counterpart', without)
tell(
  'Out of reach for Cloudflare Workers: give it a public address or a tunnel (docs/kafka.md#private-brokers), or run Rigel yourself (docs/self-hosting.md)',
  unreachable,
)
tell('Rigel would refuse this', problems)
process.exit(problems.length > 0 ? 1 : 0)

function readSettings(path: string): RigSettings {
  const text = readFileSync(path, 'utf8')
  if (!/\.(ya?ml|json)$/.test(path)) return { variables: parseEnv(text) as Record<string, string>, replicas: null }
  return readYaml(parseAllDocuments(text).map((document) => document.toJS() as unknown))
}

/** Paths are relative to RIG's folder; here, to one of the files. */
function readBeside(path: string): string | undefined {
  const found = positionals.map((file) => resolve(dirname(file), path)).find((candidate) => existsSync(candidate))
  return found === undefined ? undefined : readFileSync(found, 'utf8')
}

/** Single quotes: values are taken as they are, `$` too. A line break of a PEM is written as \\n, which Rigel reads. */
function section(title: string, variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}='${value.replaceAll('\n', String.raw`\n`)}'`)
  return [`# ${title}`, ...lines, ''].join('\n')
}

function tell(title: string, lines: readonly string[]): void {
  if (lines.length > 0) console.error(`${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`)
}
