// The Worker's configuration for Vitest: wrangler.toml, in a folder where nothing else is. Wrangler reads `.dev.vars` and
// `.env` from the folder of its configuration, and a developer's settings must not change what a test sees.
// Used by vitest.config.ts and vitest.kafka.config.ts.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'node_modules/.cache/rigel-test')

/** Each changes what wrangler makes of a configuration file: the environment, and where variables are read from. */
const WRANGLER_VARIABLES = [
  'CLOUDFLARE_ENV',
  'CLOUDFLARE_INCLUDE_PROCESS_ENV',
  'CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV',
] as const

/** Returns the path of the copy. Throws if wrangler.toml no longer has the paths that have to become absolute. */
export function copyWorkerConfig(): string {
  for (const name of WRANGLER_VARIABLES) delete process.env[name]
  const source = readFileSync(join(root, 'wrangler.toml'), 'utf8')
  const copy = withAbsolutePath(withAbsolutePath(source, 'main'), 'directory')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'wrangler.toml')
  // Renamed into place: another run of Vitest in this folder never reads half a file.
  writeFileSync(`${path}.${process.pid}`, copy)
  renameSync(`${path}.${process.pid}`, path)
  return path
}

function withAbsolutePath(toml: string, key: string): string {
  const line = new RegExp(`^${key} = "(.+)"$`, 'm')
  if (!line.test(toml)) throw new Error(`wrangler.toml has no ${key}`)
  return toml.replace(line, (_, path: string) => `${key} = ${JSON.stringify(join(root, path))}`)
}
