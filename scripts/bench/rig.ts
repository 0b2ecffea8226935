// The measuring rig: bundles worker.ts, writes a workerd configuration, runs workerd itself (no wrangler proxy in
// front) on a free port with a storage folder of its own, and tells its memory. For scripts/bench.ts.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CLASSES = [
  'UserShard',
  'TopicFollower',
  'Directory',
  'EmbeddedLog',
  'EmbeddedBroker',
  'PresenceTopic',
  'SessionRegistry',
  'AnswerDesk',
  'Bare',
]
const BINDINGS: Readonly<Record<string, string>> = {
  UserShard: 'USER_SHARD',
  TopicFollower: 'TOPIC_FOLLOWER',
  Directory: 'DIRECTORY',
  EmbeddedLog: 'EMBEDDED_LOG',
  EmbeddedBroker: 'EMBEDDED_BROKER',
  PresenceTopic: 'PRESENCE_TOPIC',
  SessionRegistry: 'SESSION_REGISTRY',
  AnswerDesk: 'ANSWER_DESK',
  Bare: 'BARE',
}
const VARIABLES = {
  SHARDS: '4',
  SUBMISSION_CHECK: 'NO_CHECK',
  RECIPIENTS: '{"*":"/data/recipients"}',
  MAX_CONNECTIONS_PER_MINUTE: '1000000',
  MAX_SUBSCRIPTIONS_PER_CONNECTION: '10000',
}
const PORT = 18_080

export interface Rig {
  readonly origin: string
  readonly wsOrigin: string
  /** Resident memory of workerd, in bytes. */
  memoryBytes(): number
  stop(): void
}

export async function startRig(): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), 'rigel-bench-'))
  const config = bundle(folder)
  const workerd = spawn('node_modules/.bin/workerd', ['serve', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  const stop = (): void => {
    kill(workerd)
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  const origin = `http://127.0.0.1:${PORT}`
  await untilHealthy(origin)
  return { origin, wsOrigin: `ws://127.0.0.1:${PORT}`, memoryBytes: () => residentBytes(workerd), stop }
}

function bundle(folder: string): string {
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
  writeFileSync(path, capnp(folder))
  return path
}

function capnp(folder: string): string {
  const namespaces = CLASSES.map((name) => `(className = "${name}", uniqueKey = "bench-${name}", enableSql = true)`)
  const objects = CLASSES.map((name) => `(name = "${BINDINGS[name]}", durableObjectNamespace = "${name}")`)
  const texts = Object.entries(VARIABLES).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)})`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "storage", disk = (path = "${folder}/storage", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${PORT}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-09-15",
  compatibilityFlags = ["nodejs_compat"],
  durableObjectNamespaces = [${namespaces.join(', ')}],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [${[...objects, ...texts].join(', ')}],
);
`
}

async function untilHealthy(origin: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const answer = await fetch(`${origin}/_rig/health`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('workerd did not become healthy within 10 seconds')
}

function residentBytes({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024
}

/** workerd with open streams does not end on SIGTERM. */
function kill(workerd: ChildProcess): void {
  if (workerd.pid !== undefined && workerd.exitCode === null) workerd.kill('SIGKILL')
}
