#!/usr/bin/env node
// `npx rigel-types [--vars FILE] [--proxy FILE] [--out FILE] [TYPE=SUBJECT | TYPE=FILE.json | FILE.json …]`: makes TypeScript types
// of the events that a frontend gets and of the fields that its subscriptions may constrain, and prints them, or writes them to
// FILE. Reads Rigel's own variables EXTRACTORS, PROXY_CONFIG and KAFKA_SCHEMA_REGISTRY_…, from the environment and from the file
// of --vars. With --check it writes nothing, and exits 1 if FILE is not up to date. scripts/build-client.ts packs it into the
// npm package rigel-client.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs, parseEnv } from 'node:util'
import { z } from 'zod'
import { eventVariables } from '../src/config/events.ts'
import { schemaRegistryContradictions, schemaRegistryVariables, toSchemas } from '../src/config/schema-registry.ts'
import { parseJson } from '../src/core/json.ts'
import { fail, type Result } from '../src/core/result.ts'
import {
  parseEventSchema,
  schemasOfDefinitions,
  shapeOfFile,
  shapeOfRegistered,
  type EventSchema,
} from '../src/event-types/event-schemas.ts'
import { generateTypes, type TypeSources } from '../src/event-types/generate-types.ts'
import { createRegistryClient, RegistryUnavailable } from '../src/schema-registry/registry-client.ts'

// The parsers of the schemas need it (core/json.ts).
if (!('rawJSON' in JSON)) exit([`needs Node 22 or later, this is ${process.version}`])
const { positionals, values: flags } = readCommandLine()
const variables = parseVariables({ ...process.env, ...(flags.vars === undefined ? {} : parseEnv(read(flags.vars))) })
const { registry } = toSchemas(variables)
const client = registry === null ? null : createRegistryClient(registry, fetch)

const definitions = [
  ...(flags.proxy === undefined ? [] : [{ name: flags.proxy, text: read(flags.proxy) }]),
  ...(variables.PROXY_CONFIG === undefined ? [] : [{ name: 'PROXY_CONFIG', text: variables.PROXY_CONFIG }]),
]
const events: readonly EventSchema[] = [
  ...definitions.flatMap(({ name, text }) => orExit(name, schemasOfDefinitions(parseJson(text)))),
  ...positionals.flatMap((text) => orExit('', parseEventSchema(text))),
]
const generated = await generateTypes({ extractors: variables.EXTRACTORS ?? new Map(), events, load })
if (!generated.ok) exit(generated.reason)
else if (flags.check === true) check(generated.value)
else if (flags.out === undefined) process.stdout.write(generated.value)
else writeFileSync(flags.out, generated.value)

async function load({ kind, name }: Parameters<TypeSources['load']>[0]): ReturnType<TypeSources['load']> {
  if (kind === 'file') return shapeOfFile(read(name))
  if (client === null) return fail('there is no registry: set KAFKA_SCHEMA_REGISTRY_URL')
  try {
    const schema = await client.bySubject(name)
    if (schema.ok) return shapeOfRegistered(schema.value)
    return fail(schema.reason.kind === 'unknown_schema' ? 'the registry does not have it' : schema.reason.message)
  } catch (error) {
    if (error instanceof RegistryUnavailable) return fail(error.message)
    throw error
  }
}

function readCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        vars: { type: 'string' },
        proxy: { type: 'string' },
        out: { type: 'string' },
        check: { type: 'boolean' },
      },
    })
  } catch (error) {
    const usage =
      'usage: rigel-types [--vars FILE] [--proxy FILE] [--out FILE [--check]] [TYPE=SUBJECT | TYPE=FILE.json | FILE.json …]'
    return exit([error instanceof Error ? error.message : String(error), usage])
  }
}

function parseVariables(env: Readonly<Record<string, string | undefined>>) {
  const schema = z.object({
    EXTRACTORS: eventVariables.EXTRACTORS,
    ...schemaRegistryVariables,
    PROXY_CONFIG: z.string().optional(),
  })
  const parsed = schema.safeParse(env)
  if (!parsed.success) return exit(parsed.error.issues.map(({ message, path }) => `${path.join('.')}: ${message}`))
  const contradictions = schemaRegistryContradictions(parsed.data)
  return contradictions.length > 0 ? exit(contradictions) : parsed.data
}

function check(text: string): void {
  if (flags.out === undefined) exit(['--check needs --out FILE'])
  else if (read(flags.out) !== text) exit([`${flags.out} is not up to date: run rigel-types without --check`])
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return exit([`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`])
  }
}

function orExit<T>(where: string, result: Result<T, string>): T {
  return result.ok ? result.value : exit([where === '' ? result.reason : `${where}: ${result.reason}`])
}

function exit(problems: readonly string[]): never {
  for (const problem of problems) console.error(`rigel-types: ${problem}`)
  process.exit(1)
}
