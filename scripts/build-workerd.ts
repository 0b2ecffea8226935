// `npm run build:workerd`: Rigel without Cloudflare and without Node, as one folder (dist/workerd): workerd itself, the Worker, its
// configuration, `./rigel` that runs it, and a Dockerfile, compose file and systemd unit. docs/self-hosting.md says how to use it.
//   npm run build:workerd -- [--out folder] [--variables BOOKS_URL,OTHER]
// --variables: names besides Rigel's own that API definitions of PROXY_CONFIG or /v3/apis refer to (env:BOOKS_URL); those of
// proxy.json are found. State is not in the folder: build again into it, and start again.
import { build } from 'esbuild'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { builtinModules, createRequire } from 'node:module'
import { join } from 'node:path'
import { unstable_readConfig as readConfig } from 'wrangler'
import { readCommandLine } from './command-line.ts'
import { variableNames } from '../src/config/parse-config.ts'
import { workerdConfig } from './workerd/config.ts'
import { buildBundle, BUNDLE_FOLDER } from './start/bundle.ts'

/** What is copied beside the Worker, from deploy/workerd. */
const FILES = [
  'rigel',
  'rigel.env.example',
  'Dockerfile',
  '.dockerignore',
  'compose.yaml',
  'rigel.service',
  'Caddyfile',
]
/** RIG's, which are refused with a reason. */
const REFUSED = ['KAFKA_SSL_CA_CERTFILE', 'KAFKA_SSL_CERTFILE', 'KAFKA_SSL_KEYFILE', 'KAFKA_SSL_KEYFILE_PASS']

const { values: flags } = readCommandLine('npm run build:workerd -- [--out FOLDER] [--variables BOOKS_URL,OTHER]', {
  options: { out: { type: 'string', default: 'dist/workerd' }, variables: { type: 'string', default: '' } },
})
const { out } = flags
process.env['WRANGLER_LOG'] = 'error'

await buildBundle()
mkdirSync(out, { recursive: true })
await buildMain()
const variables = [
  ...new Set([...variableNames, ...REFUSED, 'TRUSTED_PROXIES', ...namedByDefinitions(), ...namedByFlag()]),
]
writeFileSync(join(out, 'config.capnp'), workerdConfig(readConfig({ config: 'wrangler.toml' }), variables))
rmSync(join(out, 'public'), { recursive: true, force: true })
cpSync('public', join(out, 'public'), { recursive: true })
for (const file of FILES) copyFileSync(join('deploy/workerd', file), join(out, file))
chmodSync(join(out, 'rigel'), 0o755)
copyRuntime()
console.log(
  `${out} has Rigel with ${variables.length} variables. Run ${join(out, 'rigel')}; docs/self-hosting.md has the rest.`,
)

/** Rigel as wrangler has bundled it, and around it scripts/workerd/main.ts. */
async function buildMain(): Promise<void> {
  await build({
    entryPoints: ['scripts/workerd/main.ts'],
    outfile: join(out, 'main.js'),
    bundle: true,
    format: 'esm',
    minify: true,
    target: 'es2024',
    // What workerd has, under either name.
    external: ['cloudflare:*', 'node:*', ...builtinModules],
    plugins: [
      {
        name: 'rigel',
        setup: (bundler) =>
          bundler.onResolve({ filter: /\/src\/index\.ts$/ }, () => ({
            path: join(process.cwd(), BUNDLE_FOLDER, 'index.js'),
          })),
      },
    ],
  })
}

/** `env:NAME` of the short form, and `use_env` of RIG's. */
function namedByDefinitions(): readonly string[] {
  const text = existsSync('proxy.json') ? readFileSync('proxy.json', 'utf8') : ''
  const short = [...text.matchAll(/"env:(\w+)"/g)].map(([, name]) => name ?? '')
  const ofRig = /"use_env":\s*true/.test(text)
    ? [...text.matchAll(/"target_url":\s*"(\w+)"/g)].map(([, name]) => name ?? '')
    : []
  return [...short, ...ofRig]
}

function namedByFlag(): readonly string[] {
  return flags.variables.split(',').filter((name) => name !== '')
}

/** A running process keeps its file: the new one takes its place by a rename. */
function copyRuntime(): void {
  const ofMiniflare = createRequire(createRequire(import.meta.url).resolve('miniflare'))
  const { default: from } = ofMiniflare('workerd') as { readonly default: string }
  const to = join(out, 'workerd')
  if (existsSync(to) && statSync(to).size === statSync(from).size && statSync(to).mtimeMs >= statSync(from).mtimeMs)
    return
  copyFileSync(from, `${to}.new`)
  chmodSync(`${to}.new`, 0o755)
  renameSync(`${to}.new`, to)
}
