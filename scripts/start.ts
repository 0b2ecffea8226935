// `npm start`: Rigel on this machine, in one workerd, with state kept in .wrangler/state. Needs no network and no login.
// PORT (8787), HOST (localhost), RIGEL_PERSIST (another folder for the state), RIGEL_VARS (another file than .dev.vars),
// RIGEL_LOG_LEVEL (warn; info shows REQUEST_LOG=console). Changes of the variables, src/, proxy.json and topics.json are picked up.
// Ends on SIGTERM and Ctrl-C, and workerd with it: nothing is lost, for Rigel stores before it answers.
import { watch, watchFile } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildBundle } from './start/bundle.ts'
import { createRuntime, type Runtime } from './start/runtime.ts'
import { folderProblem, isPortTaken, listenProblem, readSettings } from './start/settings.ts'
import { makeVariables, readVariables } from './start/variables.ts'

/** The shortest period of a cron trigger on Cloudflare. */
const CRON_EVERY_MS = 60_000
/** npm that is killed leaves its child behind, so the child looks for its parent. */
const PARENT_EVERY_MS = 500
const VARIABLES_EVERY_MS = 1_000
/** Editors write a file in several steps. */
const SETTLE_MS = 300

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const settings = readSettings(process.env)
if (typeof settings === 'string') exit(settings)
if (await isPortTaken(settings)) {
  exit(`Port ${settings.port} of ${settings.host} is taken, perhaps by another Rigel. Stop it, or: PORT=8788 npm start`)
}
const problem = (await listenProblem(settings)) ?? folderProblem(settings)
if (problem !== undefined) exit(problem)
const { varsFile } = settings
const origin = `http://${settings.host}:${settings.port}`

if (makeVariables(varsFile)) {
  console.log('Made .dev.vars from .dev.vars.example: development settings, not for anything that is deployed.')
}

let isAnnounced = false
let runtime: Runtime | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end())
if (process.env['npm_lifecycle_event'] === 'start') endWithParent(process.ppid)

const starting = createRuntime(settings)
await buildBundle()
runtime = await starting
await restart()
setInterval(() => void runtime?.runCron(), CRON_EVERY_MS)
watchFile(varsFile, { interval: VARIABLES_EVERY_MS }, () => void reload(varsFile, false))
watchSource('src', { recursive: true })
for (const file of ['proxy.json', 'topics.json']) watchSource(file, {})

/** Loads the bundle and the variables, and says whether Rigel is up, or what is wrong with its configuration. */
async function restart(): Promise<void> {
  await runtime?.load(readVariables(varsFile))
  const health = await fetch(`${origin}/_rig/health`)
  const text = await health.text()
  if (!health.ok) return console.error(text)
  if (isAnnounced) return
  isAnnounced = true
  await announce()
}

async function reload(what: string, isSource: boolean): Promise<void> {
  console.log(`${what} has changed: starting again with it.`)
  try {
    if (isSource) await buildBundle()
    await restart()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
  }
}

function watchSource(path: string, options: { readonly recursive?: boolean }): void {
  let timer: NodeJS.Timeout | undefined
  watch(path, options, () => {
    clearTimeout(timer)
    timer = setTimeout(() => void reload(path, true), SETTLE_MS)
  })
}

async function announce(): Promise<void> {
  // It asks for a password unless another Kafka is configured, or KAFKA_USERNAME is not set.
  const { status } = await fetch(`${origin}/_rig/kafka/fetch`)
  console.log(`\n  Rigel is up. Open ${origin}/_rig/\n`)
  if (status === 401)
    console.log(`  Kafka over HTTP  ${origin}/_rig/kafka   (@upstash/kafka; user and password are in ${varsFile})`)
  console.log(`  Health           ${origin}/_rig/health`)
  console.log(`  Stop             Ctrl-C; what was stored stays\n`)
}

function endWithParent(parent: number): void {
  setInterval(() => process.ppid !== parent && void end(), PARENT_EVERY_MS).unref()
}

let isEnding = false

/** A second signal does not wait. */
async function end(): Promise<void> {
  if (isEnding) process.exit(1)
  isEnding = true
  await runtime?.end()
  process.exit(0)
}

function exit(message: string): never {
  console.error(message)
  process.exit(1)
}
