// Two versions of Rigel in one workerd, as during a deploy: the Worker and each class of Durable Objects run one of them, on
// the same state. versions/ has bundles by the date of their version; a release adds its own and deletes those before the last:
//   npm start (for the bundle), then: node -e "const { brotliCompressSync: c } = require('zlib'), fs = require('fs');
//     fs.writeFileSync('test/e2e/versions/DATE.js.br', c(fs.readFileSync('.wrangler/rigel-bundle/index.js')))"
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { brotliDecompressSync } from 'node:zlib'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions as getWorkerOptions, unstable_readConfig as readConfig } from 'wrangler'
import { buildBundle, BUNDLE_FOLDER } from '../../scripts/start/bundle.ts'
import { freePort } from './rigel.ts'

export type Version = 'previous' | 'this'

/** Which version the Worker, the shards and all other objects run. */
export interface Mix {
  readonly worker: Version
  readonly shards: Version
  readonly others: Version
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const PREVIOUS = fileURLToPath(new URL('versions/2026-11-27.js.br', import.meta.url))
const SHARDS = 'UserShard'

export class TwoVersions {
  readonly origin: string
  readonly #port: number
  readonly #variables: Readonly<Record<string, string | undefined>>
  readonly #folder = mkdtempSync(join(tmpdir(), 'rigel-versions-'))
  readonly #bundles: Readonly<Record<Version, string>>
  #miniflare: Miniflare | undefined

  private constructor(port: number, changes: Readonly<Record<string, string>>, bundles: Record<Version, string>) {
    this.#port = port
    this.origin = `http://localhost:${port}`
    this.#variables = { ...parseEnv(readFileSync(join(root, '.dev.vars.example'), 'utf8')), ...changes }
    this.#bundles = bundles
  }

  /** Builds this version. Nothing runs until `run`. */
  static async create(changes: Readonly<Record<string, string>>): Promise<TwoVersions> {
    await buildBundle()
    return new TwoVersions(await freePort(), changes, {
      previous: brotliDecompressSync(readFileSync(PREVIOUS)).toString(),
      this: readFileSync(join(BUNDLE_FOLDER, 'index.js'), 'utf8'),
    })
  }

  /** Starts workerd, or starts it again, with the versions of `mix`. Connections are dropped, as in a deploy. */
  async run(mix: Mix): Promise<void> {
    const options = this.#optionsOf(mix)
    if (this.#miniflare === undefined) this.#miniflare = new Miniflare(options)
    else await this.#miniflare.setOptions(options)
    await this.#miniflare.ready
  }

  async end(): Promise<void> {
    await this.#miniflare?.dispose()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #optionsOf(mix: Mix) {
    const config = readConfig({ config: 'wrangler.toml' })
    const { workerOptions } = getWorkerOptions(config)
    const { bindings: _, modulesRules: __, ...worker } = workerOptions as Record<string, unknown>
    const bindings = { ...config.vars, ...this.#variables } as Record<string, string>
    const objects = config.durable_objects.bindings as readonly { readonly class_name: string; readonly name: string }[]
    const workerOf = (version: Version) => ({
      ...worker,
      name: version,
      bindings,
      durableObjects: Object.fromEntries(
        objects.map(({ class_name: className, name }) => {
          const of = className === SHARDS ? mix.shards : mix.others
          const unsafeUniqueKey = `rigel-${className}`
          return [name, { className, scriptName: of, useSQLite: true, unsafeUniqueKey }]
        }),
      ),
      // Only the version that answers requests has the queue.
      ...(version === mix.worker ? {} : { queueConsumers: {} }),
      modules: [{ type: 'ESModule' as const, path: 'index.js', contents: this.#bundles[version] }],
    })
    const second: Version = mix.worker === 'this' ? 'previous' : 'this'
    return convertV4MiniflareOptions({
      port: this.#port,
      host: 'localhost',
      cf: false,
      logRequests: false,
      handleStructuredLogs: ({ level, message }) => level === 'error' && process.stderr.write(`${message}\n`),
      resourcePersistencePath: join(this.#folder, 'v3'),
      // The first one answers requests.
      workers: [workerOf(mix.worker), workerOf(second)],
    })
  }
}
