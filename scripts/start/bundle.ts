// The Worker as one file, as `wrangler deploy` would upload it. Built again only when something that it is made of has
// changed, so that a second start takes a second. Called by start.ts and build-workerd.ts.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The folder that holds index.js. */
export const BUNDLE_FOLDER = '.wrangler/rigel-bundle'

/** Made by the same build (wrangler.toml, [build]). */
const BROWSER_CLIENT = 'public/_rig/client.js'

/** What is bundled besides src/. */
const CONFIGURATION = ['package-lock.json', 'wrangler.toml', 'proxy.json', 'topics.json', 'scripts/build-client.ts']

const run = promisify(execFile)
const hashFile = join(BUNDLE_FOLDER, 'hash')

/** Rejects with wrangler's message if the source cannot be built. */
export async function buildBundle(): Promise<void> {
  const hash = hashOfSource()
  if (hash === readHash() && existsSync(BROWSER_CLIENT)) return
  mkdirSync(BUNDLE_FOLDER, { recursive: true })
  writeFileSync(hashFile, '')
  await run(
    process.execPath,
    [
      'node_modules/wrangler/bin/wrangler.js',
      'deploy',
      '--dry-run',
      '--config=wrangler.toml',
      // The top level, although there are environments.
      '--env=',
      `--outdir=${BUNDLE_FOLDER}`,
      '--env-file=scripts/no-secrets.env',
    ],
    { env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG: 'error', CLOUDFLARE_API_TOKEN: '' } },
  ).catch((error: unknown) => {
    throw new Error(`wrangler could not build Rigel:\n${(error as { stderr?: string }).stderr ?? String(error)}`)
  })
  writeFileSync(hashFile, hash)
}

function hashOfSource(): string {
  const hash = createHash('sha256')
  for (const file of [
    ...CONFIGURATION.filter((path) => existsSync(path)),
    ...globSync('src/**/*.{ts,json}').toSorted(),
  ]) {
    hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
  }
  return hash.digest('hex')
}

function readHash(): string | undefined {
  try {
    return readFileSync(hashFile, 'utf8')
  } catch {
    return undefined
  }
}
