// Builds src/client for browsers: public/_rig/client.js, served with types beside it, and dist/client, a package for npm
// (`npm run build:client && npm pack ./dist/client`). Also copies the console's plot library, Swagger UI, and Phoenix's library for the
// playground. Prints the sizes;
// fails if the client grows past its limit. Also run by `npm start` and `wrangler deploy` (wrangler.toml, [build]). Run: node
// scripts/build-client.ts
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'

const MAX_GZIPPED_BYTES = 6 * 1_024

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'src/client')
const served = join(root, 'public/_rig')
/** This process builds here until the client is whole: `npm start` and `npm test` may build at the same time. */
const packaged = join(root, `dist/client.${process.pid}`)

/** Modules beside the client import it as it is served, instead of bundling a second one. */
const importsClient: Plugin = {
  name: 'imports-client',
  setup: (builder) => {
    builder.onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: './client.js', external: true }))
  },
}

process.on('exit', () => rmSync(packaged, { recursive: true, force: true }))
mkdirSync(packaged, { recursive: true })
await bundle('index.ts', 'client.js', [])
await bundle('tabs.ts', 'client-tabs.js', [importsClient])
await bundle('table.ts', 'client-table.js', [importsClient])
await bundle('react.ts', 'client-react.js', [importsClient])
await bundleRigelTypes()
await vendor()
writeTypes()
writePackage()
copySwaggerUi()
checkSize()
putInPlace()

async function bundle(entry: string, name: string, plugins: Plugin[]): Promise<void> {
  const outfile = join(served, name)
  await build({
    entryPoints: [join(source, entry)],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    external: ['react'],
    plugins,
    logLevel: 'warning',
    legalComments: 'none',
  })
  copyFileSync(outfile, join(packaged, name))
}

/** `npx rigel-types`, for Node. */
async function bundleRigelTypes(): Promise<void> {
  await build({
    entryPoints: [join(root, 'scripts/rigel-types.ts')],
    outfile: join(packaged, 'rigel-types.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    minify: true,
    target: 'node22',
    logLevel: 'warning',
    legalComments: 'none',
  })
}

/** The console's plot library and, for the page at /_rig/, Phoenix's client: pages run no other origin's scripts. */
async function vendor(): Promise<void> {
  await bundleModule("export { default } from 'uplot'", 'console/uplot', '')
  copyFileSync(join(root, 'node_modules/uplot/dist/uPlot.min.css'), join(served, 'console/uplot.css'))
  copyFileSync(join(root, 'node_modules/uplot/dist/uPlot.d.ts'), join(served, 'console/uplot.d.ts'))
  const notice = '/*! phoenix, MIT License, Copyright (c) 2014 Chris McCord */'
  await bundleModule("export { Socket } from 'phoenix'", 'phoenix', notice)
  copyFileSync(join(root, 'node_modules/@types/phoenix/index.d.ts'), join(served, 'phoenix.d.ts'))
}

async function bundleModule(contents: string, name: string, notice: string): Promise<void> {
  const stdin = { contents, resolveDir: root }
  const outfile = join(served, `${name}.js`)
  await build({ stdin, outfile, bundle: true, minify: true, format: 'esm', banner: { js: notice } })
}

/** One file: the declarations of types.ts, and those of index.ts without its re-export of them. */
function writeTypes(): void {
  const emitted = mkdtempSync(join(tmpdir(), 'rigel-client-'))
  const tsc = join(root, 'node_modules/.bin/tsc')
  const options = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', emitted]
  execFileSync(tsc, ['-p', source, ...options], { stdio: 'inherit' })
  const read = (name: string): string => readFileSync(join(emitted, name), 'utf8').replaceAll(/^\/\/#.*$/gm, '')
  const index = read('index.d.ts').replaceAll(/^(?:import|export) type \{[^}]*\} from '\.\/types\.ts';\n/gm, '')
  const types = `${read('types.d.ts')}\n${index}`
  const tabs = read('tabs.d.ts').replaceAll(/'\.\/types\.ts'/g, `'./client.js'`)
  const table = read('table.d.ts').replaceAll(/'\.\/types\.ts'/g, `'./client.js'`)
  const react = read('react.d.ts')
    .replaceAll(/'\.\/types\.ts'/g, `'./client.js'`)
    .replaceAll(/'\.\/table\.ts'/g, `'./client-table.js'`)
  const missing = `${types}${tabs}${table}${react}`.match(/from '\.\/[^']*\.ts'/)
  if (missing !== null)
    throw new Error(`the package has no such module: ${missing[0]}; public types belong to types.ts`)
  for (const folder of [served, packaged]) {
    writeFileSync(join(folder, 'client.d.ts'), types)
    writeFileSync(join(folder, 'client-tabs.d.ts'), tabs)
    writeFileSync(join(folder, 'client-table.d.ts'), table)
    writeFileSync(join(folder, 'client-react.d.ts'), react)
  }
  rmSync(emitted, { recursive: true })
}

function writePackage(): void {
  const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, string>
  const entry = (name: string): object => ({ types: `./${name}.d.ts`, default: `./${name}.js` })
  const description = {
    name: 'rigel-client',
    version,
    license,
    description: 'The browser client of Rigel: events that survive reconnects, over WebSocket, SSE or long-polling',
    type: 'module',
    sideEffects: false,
    bin: { 'rigel-types': './rigel-types.js' },
    // For rigel-types only: browsers have no such limit.
    engines: { node: '>=22' },
    exports: {
      '.': entry('client'),
      './tabs': entry('client-tabs'),
      './table': entry('client-table'),
      './react': entry('client-react'),
    },
    peerDependencies: { react: '>=18' },
    peerDependenciesMeta: { react: { optional: true } },
  }
  writeFileSync(join(packaged, 'package.json'), `${JSON.stringify(description, null, 2)}\n`)
  copyFileSync(join(root, 'docs/client.md'), join(packaged, 'README.md'))
  copyFileSync(join(root, 'LICENSE'), join(packaged, 'LICENSE'))
}

/** The viewer of the internal API (public/_rig/api.html), as its package has it. */
function copySwaggerUi(): void {
  const from = join(root, 'node_modules/swagger-ui-dist')
  copyFileSync(join(from, 'swagger-ui-bundle.js'), join(served, 'swagger-ui.js'))
  copyFileSync(join(from, 'swagger-ui.css'), join(served, 'swagger-ui.css'))
}

function checkSize(): void {
  for (const name of ['client.js', 'client-tabs.js', 'client-table.js', 'client-react.js']) {
    console.log(`${name}: ${gzipSync(readFileSync(join(packaged, name))).length} bytes gzipped`)
  }
  const bytes = gzipSync(readFileSync(join(packaged, 'client.js'))).length
  if (bytes <= MAX_GZIPPED_BYTES) return
  console.error(`client.js has ${bytes} bytes gzipped, at most ${MAX_GZIPPED_BYTES} are allowed`)
  process.exitCode = 1
}

function putInPlace(): void {
  const whole = join(root, 'dist/client')
  try {
    rmSync(whole, { recursive: true, force: true })
    renameSync(packaged, whole)
  } catch (error) {
    // Another build has put its own there meanwhile, of the same source.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
