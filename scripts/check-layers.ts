// `npm run check:layers`: the rules of docs/architecture.md that no linter knows, over every file in src/. Prints each
// break as `file: what is wrong`, and fails if there is one. Run: node scripts/check-layers.ts
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'

interface Import {
  readonly from: string
  readonly isType: boolean
}

interface SourceFile {
  readonly path: string
  readonly room: string
  readonly code: string
  readonly imports: readonly Import[]
}

/** Where a class of the runtime lives: Durable Objects, and the entrypoint for service bindings. Only src/index.ts may import one: everybody else goes through the room's door. */
const DURABLE_OBJECTS = new Set([
  'src/answers/answer-desk.ts',
  'src/directory/directory.ts',
  'src/edge/rigel-api.ts',
  'src/ingest/topic-follower.ts',
  'src/kafka/embedded-broker.ts',
  'src/kafka/embedded-log.ts',
  'src/kafka/kafka-producer.ts',
  'src/presence/presence-topic.ts',
  'src/sessions/session-registry.ts',
  'src/shard/user-shard.ts',
])

/** Files that may read the clock and throw dice besides the Durable Objects and src/edge, each with its reason. */
const SHELLS = new Map([
  ['src/ingest/queue.ts', 'entry point of the queue: stamps messages that carry no time'],
  ['src/ingest/schedule.ts', 'entry point of cron'],
  ['src/kafka/open-log.ts', 'puts the adapters together: hands them clock and dice'],
  ['src/schema/open-schemas.ts', 'puts the registry together: hands it clock and network'],
])

/** One owner per outside thing. */
const OWNED_PACKAGES = [
  { name: /^hono(\/|$)/, room: 'edge' },
  { name: /^jose(\/|$)/, room: 'edge' },
  { name: /^@upstash\/kafka$/, room: 'kafka' },
  { name: /^@bufbuild\/protobuf(\/|$)/, room: 'schema' },
  { name: /^aws4fetch$/, room: 'kafka' },
  { name: /^cloudflare:sockets$/, room: 'kafka' },
]

const MIN_FILES = 20

const files = globSync('src/**/*.ts').toSorted().map(readSource)
const byPath = new Map(files.map((file) => [file.path, file]))
const problems = [
  ...files.flatMap((file) => [...problemsOf(file)]),
  ...cycles().map((cycle) => `${cycle[0]}: cycle ${cycle.join(' → ')}`),
]

if (files.length < MIN_FILES) problems.push(`found only ${files.length} files: run this in the root of the repository`)
for (const problem of problems) console.error(problem)
console.log(`layers: ${files.length} files, ${problems.length} problems`)
process.exitCode = problems.length > 0 ? 1 : 0

function readSource(path: string): SourceFile {
  const code = withoutComments(readFileSync(path, 'utf8'))
  const room = path.split('/').length > 2 ? (path.split('/')[1] ?? '') : ''
  return { path, room, code, imports: [...importsOf(path, code)] }
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
  if (!isShell(file.path) && /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bcrypto\.randomUUID\(/.test(file.code)) {
    yield `${file.path}: reads the clock or throws dice: pass it in, only shells may`
  }
  if (/\bnew Function\(|\beval\(/.test(file.code)) yield `${file.path}: evaluates text as code`
}

function importProblem(file: SourceFile, from: string, isType: boolean): string | undefined {
  const isOutside = !from.startsWith('src/')
  if (file.room === 'core' && (isOutside || !from.startsWith('src/core/'))) return 'core imports only core'
  if (from === 'src/index.ts') return 'nobody imports the front door'
  if (!isOutside && !byPath.has(from)) return 'no such file'
  if (DURABLE_OBJECTS.has(from) && file.path !== 'src/index.ts') return 'a Durable Object is reached through its door'
  if (from === 'cloudflare:workers' && !isType && !DURABLE_OBJECTS.has(file.path)) {
    return 'values of cloudflare:workers belong to the Durable Object classes'
  }
  const owner = OWNED_PACKAGES.find(({ name }) => name.test(from))
  return owner && owner.room !== file.room ? `belongs to src/${owner.room}` : undefined
}

function isShell(path: string): boolean {
  return DURABLE_OBJECTS.has(path) || SHELLS.has(path) || path.startsWith('src/edge/')
}

/** File-level cycles, of types too: what cannot be read in an order cannot be understood in one. */
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
