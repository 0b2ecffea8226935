// The npm package as a frontend uses it: packed, installed, `npx rigel-types` against a schema registry, files, EXTRACTORS and
// proxy.json; then a page compiles, and no longer does when a field, a type or a filter is renamed. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readSnippet } from './snippets.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** With the folders that docs/client.md names: `rigel` beside `page`. */
const parent = mkdtempSync(join(tmpdir(), 'rigel-types-'))
const folder = join(parent, 'page')
const inFolder = (name: string): string => join(folder, name)
const write = (name: string, content: unknown): void =>
  writeFileSync(inFolder(name), typeof content === 'string' ? content : JSON.stringify(content))

/** Subject → the newest schema. */
const subjects: Record<string, unknown> = {
  'payments-value': { type: 'record', name: 'Paid', fields: [{ name: 'cents', type: 'long' }] },
}
const registry = createServer(({ url }, response) => {
  const subject = /^\/subjects\/([^/]+)\/versions\/latest$/.exec(url ?? '')?.[1] ?? ''
  const schema = subjects[subject]
  response.writeHead(schema === undefined ? 404 : 200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify(schema === undefined ? { error_code: 40_401 } : { id: 1, schema: JSON.stringify(schema) }),
  )
})

const order = (field: string): unknown => ({
  type: 'object',
  required: [field, 'tenant'],
  properties: { [field]: { type: 'string' }, tenant: { enum: ['a', 'b'] } },
})

const PAGE = `
import { connect } from 'rigel-client'
import { connectShared } from 'rigel-client/tabs'
import type { Events, Filters } from './src/events.ts'

const rigel = connect<Events, Filters>({
  subscriptions: [
    { eventType: 'order.shipped', oneOf: [{ tenant: 'a' }, { tenant: { in: ['a', 'b'] } }] },
    { eventType: 'order.*' },
    { eventType: 'order.paid' },
  ],
})
rigel.on('order.shipped', ({ data }) => data?.orderId.toUpperCase())
rigel.on('order.*', (event) => (event.type === 'order.paid' ? event.data?.cents.toFixed(2) : event.data?.orderId))
rigel.on('rig.gap', ({ position }) => position?.length)
for await (const event of rigel) if (event.type === 'order.shipped') console.log(event.data?.orderId)
export const shared = connectShared<Events, Filters>({ user: 'alice', subscriptions: [{ eventType: 'order.paid' }] })
export const untyped = connect({ subscriptions: [{ eventType: 'any', oneOf: [{ any: 1 }] }] })
untyped.on('any', ({ data }) => data.any)
untyped.on('*', ({ data, type }) => (type === 'rig.gap' ? type : data.any))
untyped.on('order.*', ({ data, type }) => (type === 'order.paid' ? data.cents : undefined))
`

before(async () => {
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  const { port } = registry.address() as AddressInfo
  for (const path of ['src', 'schemas', '../rigel']) mkdirSync(inFolder(path), { recursive: true })
  write('package.json', { name: 'page', type: 'module', private: true })
  const strict = { strict: true, noEmit: true, target: 'es2022', module: 'esnext', moduleResolution: 'bundler' }
  const compilerOptions = { ...strict, lib: ['es2024', 'dom'], types: [], allowImportingTsExtensions: true }
  write('tsconfig.json', { compilerOptions, files: ['page.ts', 'src/typed.ts'] })
  write(
    '../rigel/.dev.vars',
    `KAFKA_SCHEMA_REGISTRY_URL=http://127.0.0.1:${port}\nEXTRACTORS=${JSON.stringify(extractors('/data/tenant'))}`,
  )
  const routes = { 'POST /payments': { event_type: 'order.paid' } }
  write('../rigel/proxy.json', { apis: [{ id: 'shop', target: 'kafka:payments', schema: 'payments-value', routes }] })
  write('schemas/order.json', order('orderId'))
  write('schemas/order.returned.json', { type: 'object' })
  write('src/typed.ts', readSnippet('docs/client.md#typed'))
  write('page.ts', PAGE)
  await run(process.execPath, [join(root, 'scripts/build-client.ts')], root)
  const { output } = await run('npm', ['pack', join(root, 'dist/client')])
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${output.trim().split('\n').at(-1) ?? ''}`])
})

after(() => {
  registry.close()
  rmSync(parent, { recursive: true })
})

void test('a page compiles with the generated types', async () => {
  const { output, code } = await generate()
  assert.equal(code, 0, output)
  assert.match(readFileSync(inFolder('src/events.ts'), 'utf8'), /'order\.paid': OrderPaid/)
  assert.deepEqual(await compile(), [])
  assert.equal((await generate('--check')).code, 0)
})

for (const [what, right, wrong, error] of [
  ['a field of the data', 'data?.orderId.toUpperCase()', 'data?.number.toUpperCase()', "'number' does not exist"],
  ['a field of one of several types', 'event.data?.cents', 'event.data?.orderId', "'orderId' does not exist"],
  ['a type that is handled', "on('order.shipped'", "on('order.sent'", '\'"order.sent"\' is not assignable'],
  ['a type that is subscribed to', "'order.paid' },", "'order.payed' },", '\'"order.payed"\' is not assignable'],
  ['a field of a filter', "{ tenant: 'a' }", "{ client: 'a' }", "'client' does not exist"],
  ['a value of a filter', "{ tenant: 'a' }", "{ tenant: 'c' }", '\'"c"\' is not assignable'],
  ['a field of a type without fields', "'order.paid' },", "'order.paid', oneOf: [{ a: 1 }] },", "'a' does not exist"],
] as const) {
  void test(`${what} that does not exist does not compile`, async () => {
    write('page.ts', PAGE.replace(right, wrong))
    const errors = await compile()
    write('page.ts', PAGE)
    assert.ok(errors[0]?.includes(error), errors.join('\n'))
  })
}

void test('a renamed field of the schema no longer compiles, and --check says so before', async () => {
  write('schemas/order.json', order('orderNumber'))
  assert.match((await generate('--check')).output, /events\.ts is not up to date/)
  assert.equal((await generate()).code, 0)
  const errors = await compile()
  assert.equal(errors.length, 4, errors.join('\n'))
  for (const error of errors) assert.match(error, /'orderId' does not exist/)
})

void test('what is wrong is said, and nothing is written', async () => {
  const written = readFileSync(inFolder('src/events.ts'), 'utf8')
  write(
    '../rigel/.dev.vars',
    readFileSync(inFolder('../rigel/.dev.vars'), 'utf8').replace('/data/tenant', '/data/client'),
  )
  const { code, output } = await generate('order.lost=lost-value')
  assert.equal(code, 1)
  assert.match(output, /order\.lost: subject lost-value: the registry does not have it/)
  assert.match(output, /EXTRACTORS: "tenant" of order\.shipped is at \/data\/client/)
  assert.equal(readFileSync(inFolder('src/events.ts'), 'utf8'), written)
})

void test('a Node that is too old is told, without a stack', async () => {
  const old = await run('bash', [
    '-c',
    "NODE_OPTIONS='--import=data:text/javascript,delete%20JSON.rawJSON' npx rigel-types a.json",
  ])
  assert.equal(old.code, 1)
  assert.match(old.output, /rigel-types: needs Node 22 or later, this is v/)
  assert.doesNotMatch(old.output, /^ +at /m)
})

function extractors(pointer: string): unknown {
  return { 'order.shipped': { tenant: { event: { json_pointer: pointer } } } }
}

/** The command of docs/client.md. */
function generate(...args: readonly string[]) {
  return run('bash', ['-c', `${readSnippet('docs/client.md#rigel-types')} ${args.join(' ')}`])
}

/** Returns the errors of tsc, a line each. */
async function compile(): Promise<readonly string[]> {
  const { output } = await run(join(root, 'node_modules/.bin/tsc'), ['--pretty', 'false'])
  return output.split('\n').filter((line) => line.includes('error TS'))
}

/** Asynchronous, because the registry is in this process. */
function run(command: string, args: readonly string[], cwd = folder): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd })
    let output = ''
    child.stdout.on('data', (chunk) => (output += String(chunk)))
    child.stderr.on('data', (chunk) => (output += String(chunk)))
    child.on('close', (code) => resolve({ code, output }))
  })
}
