// workerd with Rigel in it, by Miniflare: bindings, crons and queues as wrangler.toml says. Called by start.ts.
// Miniflare's own API and not `wrangler dev`, which runs a second workerd as a proxy (docs/decisions/2026-11-26-npm-start.md).
import { join } from 'node:path'
import { BUNDLE_FOLDER } from './bundle.ts'
import type { LogLevel, Settings } from './settings.ts'

export interface Runtime {
  /** Starts workerd, or starts it again, with the bundle that is there and these variables. */
  load(variables: Readonly<Record<string, string>>): Promise<void>
  /** Cron triggers do not fire by themselves. */
  runCron(): Promise<void>
  /** Ends workerd, whatever streams are open. */
  end(): Promise<void>
}

/** By severity. workerd writes console.log as `log`. */
const SEVERITY: Readonly<Record<string, number>> = { debug: 0, log: 1, info: 1, warn: 2, error: 3 }

export async function createRuntime(settings: Settings): Promise<Runtime> {
  // Nothing here needs an account: a token in the environment must not make wrangler ask for one.
  process.env['CLOUDFLARE_API_TOKEN'] = ''
  process.env['WRANGLER_SEND_METRICS'] = 'false'
  process.env['WRANGLER_LOG'] = 'error'
  const [{ convertV4MiniflareOptions, Log, LogLevel: Level, Miniflare }, wrangler] = await Promise.all([
    import('miniflare'),
    import('wrangler'),
  ])
  let miniflare: InstanceType<typeof Miniflare> | undefined

  function optionsOf(variables: Readonly<Record<string, string>>) {
    const config = wrangler.unstable_readConfig({ config: 'wrangler.toml' })
    const { workerOptions } = wrangler.unstable_getMiniflareWorkerOptions(config)
    // Its bindings have what wrangler reads from .dev.vars, whatever RIGEL_VARS says; the bundle needs no module rules.
    const { bindings: _, modulesRules: __, ...worker } = workerOptions as Record<string, unknown>
    return convertV4MiniflareOptions({
      port: settings.port,
      host: settings.host,
      cf: false,
      log: new Log(Level.WARN),
      logRequests: false,
      // GET /cdn-cgi/local/scheduled runs the cron, as in wrangler dev.
      unsafeTriggerHandlers: true,
      handleStructuredLogs: ({ level, message }) => writeLog(settings.logLevel, level, message),
      resourcePersistencePath: join(settings.persistTo, 'v3'),
      workers: [
        {
          ...worker,
          name: 'rigel',
          bindings: { ...config.vars, ...variables },
          modules: true,
          modulesRoot: BUNDLE_FOLDER,
          scriptPath: join(BUNDLE_FOLDER, 'index.js'),
        },
      ],
    })
  }

  return {
    async load(variables) {
      const options = optionsOf(variables)
      if (miniflare === undefined) miniflare = new Miniflare(options)
      else await miniflare.setOptions(options)
      await miniflare.ready
    },
    async runCron() {
      const worker = await miniflare?.getWorker()
      await worker?.scheduled({ cron: '* * * * *' }).catch((error: unknown) => console.warn('cron failed', error))
    },
    async end() {
      await miniflare?.dispose()
    },
  }
}

function writeLog(least: LogLevel, level: string, message: string): void {
  const severity = SEVERITY[level] ?? 1
  if (severity < (SEVERITY[least] ?? 0)) return
  const stream = severity >= 2 ? process.stderr : process.stdout
  // An object is one line, as in Workers Logs; workerd writes a member a line.
  stream.write(`${message.startsWith('{') ? message.replaceAll(/\n\s*/g, ' ') : message}\n`)
}
