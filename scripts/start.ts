// `npm start`: Rigel on this machine, on workerd, with state kept in .wrangler/state. Needs no network and no login.
// PORT (8787), HOST (localhost), RIGEL_PERSIST (another folder for the state), RIGEL_VARS (another file than .dev.vars),
// RIGEL_LOG_LEVEL (warn; info shows REQUEST_LOG=console).
// Ends when wrangler ends, and ends it when told to.
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** workerd with open streams does not end on SIGTERM (see docs/operations.md): wait this long, then make it. */
const GRACE_MS = 4_000
const HEALTH_EVERY_MS = 250
/** Cron triggers do not fire in `wrangler dev`, so this program is the clock. */
const CRON_EVERY_MS = 60_000

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const port = process.env['PORT'] ?? '8787'
const host = process.env['HOST'] ?? 'localhost'
const origin = `http://${host}:${port}`
const varsFile = process.env['RIGEL_VARS'] ?? '.dev.vars'

if (!existsSync('.dev.vars') && varsFile === '.dev.vars' && existsSync('.dev.vars.example')) {
  copyFileSync('.dev.vars.example', '.dev.vars')
  console.log('Made .dev.vars from .dev.vars.example: development settings, not for anything that is deployed.')
}

const wrangler = spawn(process.execPath, ['node_modules/wrangler/bin/wrangler.js', ...devArguments()], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...process.env,
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    // Its collector logs an error for every client that goes away (miniflare), and slows every request down.
    X_LOCAL_OBSERVABILITY: process.env['X_LOCAL_OBSERVABILITY'] ?? 'false',
    // Nothing in `npm start` needs an account: a token in the environment must not make it ask for one.
    CLOUDFLARE_API_TOKEN: '',
  },
})

let isEnding = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal))
wrangler.on('error', (error) => {
  console.error(`wrangler did not start: ${error.message}. Was \`npm ci\` run?`)
  process.exit(1)
})
wrangler.on('exit', (code, signal) => process.exit(isEnding || signal ? 0 : (code ?? 1)))

await isHealthy()
announce()
setInterval(() => void tick(), CRON_EVERY_MS)

function devArguments(): string[] {
  const persistTo = process.env['RIGEL_PERSIST']
  return [
    'dev',
    `--port=${port}`,
    `--ip=${host}`,
    '--inspector-port=0',
    '--show-interactive-dev-session=false',
    `--log-level=${process.env['RIGEL_LOG_LEVEL'] ?? 'warn'}`,
    ...(persistTo ? ['--persist-to', persistTo] : []),
    ...(varsFile === '.dev.vars' ? [] : ['--env-file', varsFile]),
  ]
}

/** A second signal, or no end in time, is the end without asking. */
function end(signal: NodeJS.Signals): void {
  wrangler.kill(isEnding ? 'SIGKILL' : signal)
  isEnding = true
  setTimeout(() => wrangler.kill('SIGKILL'), GRACE_MS).unref()
}

/** Resolves when Rigel answers. A bad configuration is an answer too: /_rig/health says what is wrong with it. */
async function isHealthy(): Promise<void> {
  for (;;) {
    const answer = await ask('/_rig/health')
    if (answer?.ok) return
    if (answer?.status === 500) console.error(await answer.text())
    await new Promise((resolve) => setTimeout(resolve, answer ? CRON_EVERY_MS : HEALTH_EVERY_MS))
  }
}

function announce(): void {
  console.log(`\n  Rigel is up. Open ${origin}/_rig/\n`)
  console.log(`  Kafka over HTTP  ${origin}/_rig/kafka   (@upstash/kafka; user and password are in ${varsFile})`)
  console.log(`  Health           ${origin}/_rig/health`)
  console.log(`  Stop             Ctrl-C; what was stored stays\n`)
}

async function tick(): Promise<void> {
  await ask('/cdn-cgi/handler/scheduled')
}

async function ask(path: string): Promise<Response | undefined> {
  try {
    return await fetch(origin + path, { signal: AbortSignal.timeout(30_000) })
  } catch {
    return undefined
  }
}
