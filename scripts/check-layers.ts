// `npm run check:layers`: checks the module rules of docs/architecture.md over every file in src/. Prints each violation
// as `file: problem` and exits 1 if there is one. Run: node scripts/check-layers.ts
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'

interface Import {
  readonly from: string
  readonly isType: boolean
}

interface SourceFile {
  readonly path: string
  readonly module: string
  readonly code: string
  readonly imports: readonly Import[]
}

/** The modules, lowest first: a file imports its own module and those above it in this list. */
const ORDER = [
  'core',
  'api-definitions',
  'config',
  'telemetry', // traces, and lines of the log: what operators are told
  'segment-log', // a log in one object's SQLite: the shard's, and a partition's of the embedded log
  'rpc',
  'kafka', // the port of a log, and its adapters for Kafka
  'sources', // the adapters for other systems, and the log over all of them
  'schema-registry',
  'event-types', // TypeScript of schemas, for scripts/rigel-types.ts: no part of the Worker
  'decoding',
  'publishing',
  'auth',
  'following', // from fetched records to appended events: what the follower and the embedded log's partition share
  'objects', // each folder is one Durable Object; none imports another
  'http',
]

/** Files that declare a class of the runtime. Only src/index.ts imports them; everything else uses src/rpc. */
const RUNTIME_CLASSES = new Set([
  'src/http/admin/rigel-api.ts',
  'src/objects/directory/directory.ts',
  'src/objects/embedded-kafka/embedded-broker.ts',
  'src/objects/embedded-kafka/embedded-log.ts',
  'src/objects/follower/topic-follower.ts',
  'src/objects/kafka-producer/kafka-producer.ts',
  'src/objects/metrics/metrics-store.ts',
  'src/objects/nats-client/nats-client.ts',
  'src/objects/pending-responses/pending-responses.ts',
  'src/objects/presence/presence-topic.ts',
  'src/objects/session-registry/session-registry.ts',
  'src/objects/shard/user-shard.ts',
])

/** Files besides the runtime classes, src/http and src/auth that may read the clock and random numbers. */
const IMPURE_FILES = new Map([
  ['src/http/worker-metrics.ts', 'reports in the background of the request that is being handled'],
  ['src/telemetry/create-tracer.ts', 'passes the clock, random numbers and the network to the tracer'],
  ['src/telemetry/incident-log.ts', 'limits the lines of an isolate by the clock'],
  ['src/following/create-planner.ts', 'passes the clock to the linger of appends'],
  ['src/kafka/create-kafka-log.ts', 'passes clock and random numbers to the adapters'],
  ['src/sources/create-event-log.ts', 'passes the clock and random numbers to the adapters'],
  ['src/schema-registry/create-caches.ts', 'passes clock and network to the registry client'],
])

/** Each third-party package has the modules that may import it. */
const PACKAGE_OWNERS = [
  { name: /^hono(\/|$)/, modules: ['http'] },
  { name: /^jose(\/|$)/, modules: ['auth', 'http'] },
  { name: /^@upstash\/kafka$/, modules: ['kafka'] },
  { name: /^@bufbuild\/protobuf(\/|$)/, modules: ['schema-registry', 'event-types'] },
  { name: /^aws4fetch$/, modules: ['kafka', 'sources'] },
  { name: /^re2js$/, modules: ['api-definitions'] },
  { name: /^@nats-io\/nats-core(\/|$)/, modules: ['sources'] },
  { name: /^cloudflare:sockets$/, modules: ['kafka', 'sources'] },
]

/** A folder is short enough to be read as a list. */
const MAX_FILES_IN_FOLDER = 18

const MIN_FILES = 20

const files = globSync('src/**/*.ts').toSorted().map(readSource)
const byPath = new Map(files.map((file) => [file.path, file]))
const problems = [
  ...files.flatMap((file) => [...problemsOf(file)]),
  ...cycles().map((cycle) => `${cycle[0]}: cycle ${cycle.join(' → ')}`),
  ...crowdedFolders(),
]

if (files.length < MIN_FILES) problems.push(`found only ${files.length} files: run this in the root of the repository`)
for (const problem of problems) console.error(problem)
console.log(`layers: ${files.length} files, ${problems.length} problems`)
process.exitCode = problems.length > 0 ? 1 : 0

function readSource(path: string): SourceFile {
  const code = withoutComments(readFileSync(path, 'utf8'))
  const module = path.split('/').length > 2 ? (path.split('/')[1] ?? '') : ''
  return { path, module, code, imports: [...importsOf(path, code)] }
}

/** Good enough for our own files: a `//` in a string is kept because it follows a colon or a quote, not a space. */
function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}

function* importsOf(path: string, code: string): Generator<Import> {
  for (const [, isType, from] of code.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm)) {
    yield { from: resolve(path, from ?? ''), isType: isType !== undefined }
  }
  for (const [, from] of code.matchAll(/\bimport\(\s*'([^']+)'/g))
    yield { from: resolve(path, from ?? ''), isType: false }
}

function resolve(path: string, from: string): string {
  return from.startsWith('.') ? join(dirname(path), from) : from
}

function* problemsOf(file: SourceFile): Generator<string> {
  for (const { from, isType } of file.imports) {
    const problem = importProblem(file, from, isType)
    if (problem) yield `${file.path}: imports ${from}: ${problem}`
  }
  if (!isImpure(file.path) && /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bcrypto\.randomUUID\(/.test(file.code)) {
    yield `${file.path}: reads the clock or random numbers: take them as arguments`
  }
  if (/^import \{[^}]*\bz\b[^}]*\} from 'zod'/m.test(file.code)) {
    yield `${file.path}: write import * as z from 'zod': otherwise its texts in 50 languages are in the bundle`
  }
  if (/\bnew Function\(|\beval\(/.test(file.code)) yield `${file.path}: evaluates text as code`
}

function importProblem(file: SourceFile, from: string, isType: boolean): string | undefined {
  const isOutside = !from.startsWith('src/')
  if (file.module === 'core' && isOutside) return 'core imports only core'
  if (file.module === 'client' && !from.startsWith('src/client/') && from !== 'react')
    return 'client imports only client'
  if (from === 'src/index.ts') return 'nothing imports the entry point'
  if (!isOutside && !byPath.has(from)) return 'no such file'
  if (!isOutside && !isInOrder(file.path, from)) return 'breaks the order of modules'
  if (RUNTIME_CLASSES.has(from) && file.path !== 'src/index.ts') return 'a Durable Object is called through src/rpc'
  if (from === 'cloudflare:workers' && !isType && !RUNTIME_CLASSES.has(file.path) && !IMPURE_FILES.has(file.path)) {
    return 'only runtime classes and impure files import values of cloudflare:workers'
  }
  const owner = PACKAGE_OWNERS.find(({ name }) => name.test(from))
  return owner && !owner.modules.includes(file.module) ? `only ${owner.modules.join(', ')} may import it` : undefined
}

function isInOrder(path: string, from: string): boolean {
  const [, module = '', object = ''] = path.split('/')
  const [, fromModule = '', fromObject = ''] = from.split('/')
  if (path === 'src/index.ts') return true
  if (module === 'objects' && fromModule === 'objects') return object === fromObject
  return module === fromModule || (ORDER.includes(fromModule) && ORDER.indexOf(fromModule) < ORDER.indexOf(module))
}

function isImpure(path: string): boolean {
  return RUNTIME_CLASSES.has(path) || IMPURE_FILES.has(path) || /^src\/(http|auth|client)\//.test(path)
}

function crowdedFolders(): string[] {
  const counts = new Map<string, number>()
  for (const { path } of files) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  return [...counts]
    .filter(([, count]) => count > MAX_FILES_IN_FOLDER)
    .map(([folder, count]) => `${folder}: ${count} files, at most ${MAX_FILES_IN_FOLDER}: divide it by subject`)
}

/** Cycles of files; imports of types count too. */
function cycles(): string[][] {
  const found: string[][] = []
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path])
    if (finished.has(path) || trail.includes(path)) return
    for (const { from } of byPath.get(path)?.imports ?? []) if (byPath.has(from)) visit(from, [...trail, path])
    finished.add(path)
  }
  for (const file of files) visit(file.path, [])
  return found
}
