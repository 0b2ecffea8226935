// The measuring rig: bundles worker.ts, writes a workerd configuration, runs workerd itself (no wrangler proxy in
// front) on a free port with a storage folder of its own, and tells its memory. For scripts/bench.ts.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GcTrace, heapFlags, type Heap } from './gc-trace.ts'

/** The binary that wrangler brings: no package of ours depends on it. */
export const WORKERD = createRequire(createRequire(import.meta.url).resolve('wrangler'))('workerd').default as string

/** Class → binding. */
const BINDINGS: Readonly<Record<string, string>> = {
  UserShard: 'USER_SHARD',
  TopicFollower: 'TOPIC_FOLLOWER',
  Directory: 'DIRECTORY',
  EmbeddedLog: 'EMBEDDED_LOG',
  EmbeddedBroker: 'EMBEDDED_BROKER',
  KafkaProducer: 'KAFKA_PRODUCER',
  NatsClient: 'NATS_CLIENT',
  PresenceTopic: 'PRESENCE_TOPIC',
  SessionRegistry: 'SESSION_REGISTRY',
  PendingResponses: 'PENDING_RESPONSES',
  MetricsStore: 'METRICS_STORE',
  Bare: 'BARE',
  BarePath: 'BARE_PATH',
  Holder: 'HOLDER',
}
const CLASSES = Object.keys(BINDINGS)
export const SHARDS = 4
const VARIABLES = {
  SHARDS: String(SHARDS),
  SUBMISSION_CHECK: 'NO_CHECK',
  KAFKA_SOURCE_TOPICS: 'rig,bench',
  RECIPIENTS: '{"*":"/data/recipients"}',
  MAX_CONNECTIONS_PER_MINUTE: '1000000',
  MAX_SUBSCRIPTIONS_PER_CONNECTION: '10000',
  MAX_SUBSCRIPTION_BYTES_PER_SHARD: '268435456',
}

export interface Rig {
  readonly origin: string
  readonly wsOrigin: string
  /** By which another workerd's followers reach its shards. */
  readonly debugAddress: string
  /** Resident memory of workerd, in bytes. */
  memoryBytes(): number
  /** CPU that workerd has used, in milliseconds. */
  cpuMs(): number
  /** Rejects if workerd has ended. */
  heap(): Promise<Heap>
  /** Whether workerd has ended by itself: its heap had no room. */
  hasEnded(): boolean
  /** Kills workerd with SIGKILL and starts it again with the state that is there; it answers a little later. */
  restart(): Promise<void>
  stop(): void
}

/** `variables`: of its Worker, besides the bench's own. `heapMiB`: limit of the isolate's heap; with it, `heap` may be called. */
export async function startRig(variables: Readonly<Record<string, string>> = {}, heapMiB?: number): Promise<Rig> {
  const port = await freePort()
  const debugAddress = `127.0.0.1:${await freePort()}`
  const folder = mkdtempSync(join(tmpdir(), 'rigel-bench-'))
  const config = bundle(folder, port, { ...VARIABLES, ...variables }, heapMiB === undefined ? [] : heapFlags(heapMiB))
  const trace = new GcTrace()
  const serve = () => {
    const child = spawn(WORKERD, ['serve', '--experimental', `--debug-port=${debugAddress}`, config], {
      // What V8 says of a heap without room is expected.
      stdio: ['ignore', heapMiB === undefined ? 'ignore' : 'pipe', 'inherit'],
      detached: true,
    })
    child.stdout?.on('data', (chunk: Buffer) => trace.add(chunk.toString('latin1')))
    return child
  }
  let workerd = serve()
  const stop = (): void => {
    process.off('exit', stop)
    kill(workerd)
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  // A bench that is told to stop leaves no workerd behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const origin = `http://127.0.0.1:${port}`
  await untilHealthy(origin)
  const wsOrigin = `ws://127.0.0.1:${port}`
  return {
    origin,
    wsOrigin,
    debugAddress,
    memoryBytes: () => residentBytes(workerd),
    cpuMs: () => cpuMsOf(workerd),
    async heap() {
      await (await fetch(`${origin}/bench/gc`)).text()
      // What workerd has written arrives later than its answer.
      await new Promise((resolve) => setTimeout(resolve, 200))
      return trace.latest
    },
    hasEnded: () => workerd.exitCode !== null || workerd.signalCode !== null,
    async restart() {
      const ended = once(workerd, 'exit')
      kill(workerd)
      await ended
      workerd = serve()
    },
    stop,
  }
}

/** Nobody else's a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export const ANY = (type: string) => encodeURIComponent(JSON.stringify([{ eventType: type }]))

/** Of worker.ts. */
export async function call(rig: Rig, path: string): Promise<void> {
  const response = await fetch(`${rig.origin}/bench/${path}`)
  if (!response.ok) throw new Error(`${path.slice(0, 60)}: ${response.status} ${await response.text()}`)
  await response.text()
}

/** Publishes the events as one batch. */
export async function postEvents(rig: Rig, events: readonly object[]): Promise<void> {
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const response = await fetch(`${rig.origin}/_rig/v1/events`, {
    method: 'POST',
    headers,
    body: JSON.stringify(events),
  })
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`)
  await response.text()
}

/** Returns a position of the shard's log: a client that comes with it gets to that shard. */
export async function positionAt(rig: Rig, shard: number): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const response = await fetch(`${rig.origin}/_rig/v1/connection/ndjson`)
    const reader = response.body?.getReader()
    const { value } = (await reader?.read()) ?? {}
    await reader?.cancel()
    const id = /"id":"([^"]+)"/.exec(new TextDecoder().decode(value))?.[1]
    if (id?.startsWith(`${shard}.`)) return id
  }
  throw new Error(`no connection reached shard ${shard} in 200 attempts`)
}

function bundle(
  folder: string,
  port: number,
  variables: Readonly<Record<string, string>>,
  v8Flags: readonly string[],
): string {
  const outdir = join(folder, 'bundle')
  const args = [
    'node_modules/wrangler/bin/wrangler.js',
    'deploy',
    '--dry-run',
    '--config',
    'scripts/bench/wrangler.toml',
    '--outdir',
    outdir,
  ]
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  mkdirSync(join(folder, 'storage'))
  cpSync(join(outdir, 'worker.js'), join(folder, 'worker.js'))
  const path = join(folder, 'config.capnp')
  writeFileSync(path, capnp(folder, port, variables, v8Flags))
  return path
}

function capnp(
  folder: string,
  port: number,
  variables: Readonly<Record<string, string>>,
  v8Flags: readonly string[],
): string {
  const namespaces = CLASSES.map((name) => `(className = "${name}", uniqueKey = "bench-${name}", enableSql = true)`)
  const objects = CLASSES.map((name) => `(name = "${BINDINGS[name]}", durableObjectNamespace = "${name}")`)
  const texts = Object.entries(variables).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)})`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "${folder}/storage", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
  v8Flags = ${JSON.stringify(v8Flags)},
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-09-15",
  durableObjectNamespaces = [${namespaces.join(', ')}],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [${[...objects, ...texts, '(name = "DEBUG_PORT", workerdDebugPort = void)'].join(', ')}],
);
`
}

export async function untilHealthy(origin: string): Promise<void> {
  let problems = 'no answer'
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const answer = await fetch(`${origin}/_rig/health`).catch(() => undefined)
    if (answer?.ok) return
    if (answer !== undefined) problems = await answer.text()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`workerd did not become healthy within 30 seconds: ${problems}`)
}

function residentBytes({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024
}

/**
 * Returns the CPU milliseconds of the threads that run: workerd ends none while it serves. schedstat has nanoseconds; `stat` has steps of
 * 10 ms, which are too coarse for a chunk of requests.
 */
export function cpuMsOf({ pid }: Pick<ChildProcess, 'pid'>): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + nanosecondsOf(`/proc/${pid}/task/${thread}/schedstat`) / 1e6, 0)
}

/** Zero: the thread has ended since it was listed. */
function nanosecondsOf(schedstat: string): number {
  try {
    return Number(readFileSync(schedstat, 'utf8').split(' ')[0])
  } catch {
    return 0
  }
}

/** workerd with open streams does not end on SIGTERM. */
function kill(workerd: ChildProcess): void {
  if (workerd.pid !== undefined && workerd.exitCode === null) workerd.kill('SIGKILL')
}
