// `npm run deploy:gradual -- --env production --url https://rigel.example.com`: uploads a version, gives it 5, 25, 50 and 100 % of the
// traffic, and asks /_rig/health of that version meanwhile; if that fails, the version before gets all traffic again, and it
// exits 1. --steps 10,50,100, --pause 300 (seconds). A version with a new [[migrations]] cannot be deployed gradually: npm run deploy.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { exit, readCommandLine } from './command-line.ts'
import { parseSteps, rollOut } from './deploy/rollout.ts'

const { values: flags } = readCommandLine(
  'npm run deploy:gradual -- --url https://rigel.example.com [--env production] [--steps 5,25,50,100] [--pause SECONDS]',
  {
    options: {
      env: { type: 'string', default: '' },
      url: { type: 'string' },
      steps: { type: 'string', default: '5,25,50,100' },
      pause: { type: 'string', default: '300' },
    },
  },
)
const steps = parseSteps(flags.steps)
const pauseMs = Number(flags.pause) * 1_000
if (flags.url === undefined || !URL.canParse(flags.url))
  exit('--url: must be the address of this Rigel, for its health')
if (steps === undefined) exit(`--steps: must be ascending percentages that end with 100, got "${flags.steps}"`)
if (!Number.isFinite(pauseMs) || pauseMs < 0) exit(`--pause: must be seconds, got "${flags.pause}"`)

const health = new URL('/_rig/health', flags.url)
const run = promisify(execFile)
const problem = await rollOut(
  { target: ['--config=wrangler.toml', `--env=${flags.env}`], steps, pauseMs },
  {
    wrangler: async (args) => {
      const { stdout } = await run(process.execPath, ['node_modules/wrangler/bin/wrangler.js', ...args])
      return stdout
    },
    healthProblem: async () => {
      const response = await fetch(health, { signal: AbortSignal.timeout(10_000) }).catch((error: unknown) =>
        String(error),
      )
      if (typeof response === 'string') return `${health.href}: ${response}`
      const text = await response.text()
      return response.ok ? undefined : `${health.href} answers ${response.status}: ${text.trim()}`
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    say: (line) => console.log(line),
  },
)
if (problem !== undefined) exit(problem)
