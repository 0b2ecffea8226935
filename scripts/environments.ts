// `npm run environments`: gives wrangler.toml's [env.staging] and [env.production] the bindings of its top level, of which wrangler
// lets them inherit none. `--check` (in `npm run check`) fails if that was forgotten, if an environment lacks a variable or setting
// that the top level has, or if `wrangler deploy --dry-run` fails for one. CHECK_DRY_RUN=no leaves the last out.
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { unstable_readConfig as readConfig } from 'wrangler'
import { checkVariables, checkWrangler, toEnv } from './doctor/check-variables.ts'
import { ENVIRONMENTS, withEnvironments } from './environments/environments-block.ts'

const FILE = 'wrangler.toml'
const text = readFileSync(FILE, 'utf8')
process.env['WRANGLER_LOG'] = 'error'

if (process.argv.includes('--check')) await check()
else writeFileSync(FILE, withEnvironments(text))

async function check(): Promise<void> {
  const problems = withEnvironments(text) === text ? [] : [`${FILE}: run \`npm run environments\``]
  const { vars: topVars } = readConfig({ config: FILE })
  for (const name of ENVIRONMENTS) {
    const wrangler = readConfig({ config: FILE, env: name })
    const findings = [...checkVariables(toEnv(wrangler, {}), true).findings, ...checkWrangler(wrangler)]
    const lacks = Object.keys(topVars).filter((key) => !(key in wrangler.vars))
    problems.push(
      // Secrets are not in the file.
      ...findings
        .filter(({ level, subject }) => level !== 'ok' && subject !== 'JWT_SECRET_KEY' && subject !== 'INTERNAL_TOKEN')
        .map(({ subject, text: what }) => `env.${name}: ${subject}: ${what}`),
      ...lacks.map((key) => `env.${name}: [env.${name}.vars] has no ${key}, which [vars] has`),
    )
  }
  // One after the other: each runs build-client, which empties dist/client first.
  if (process.env['CHECK_DRY_RUN'] !== 'no') for (const name of ENVIRONMENTS) problems.push(...(await dryRun(name)))
  for (const problem of problems) console.error(problem)
  console.log(`environments: ${ENVIRONMENTS.join(', ')}, ${problems.length} problems`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

async function dryRun(name: string): Promise<readonly string[]> {
  const wrangler = 'node_modules/wrangler/bin/wrangler.js'
  const args = ['deploy', '--dry-run', `--config=${FILE}`, `--env=${name}`, `--outdir=dist/${name}`]
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_API_TOKEN: '' }
  try {
    await promisify(execFile)(process.execPath, [wrangler, ...args, '--env-file=scripts/no-secrets.env'], { env })
    return []
  } catch (error) {
    return [`env.${name}: wrangler deploy --dry-run: ${(error as { stderr?: string }).stderr ?? String(error)}`]
  }
}
