// The environment variables of `npm start`, and whether it can listen and write there. Called by start.ts.
import { mkdirSync, accessSync, constants, existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const DEFAULT_VARS = '.dev.vars'

export interface Settings {
  readonly port: number
  readonly host: string
  /** The folder of the state. */
  readonly persistTo: string
  readonly varsFile: string
  readonly logLevel: LogLevel
}

/** Returns the settings, or what is wrong with them. */
export function readSettings(env: NodeJS.ProcessEnv): Settings | string {
  const portText = env['PORT'] ?? '8787'
  const port = Number(portText)
  if (!/^\d+$/.test(portText) || port < 1 || port > 65_535) {
    return `PORT: must be a whole number from 1 to 65535, got "${portText}"`
  }
  const logLevel = LOG_LEVELS.find((level) => level === (env['RIGEL_LOG_LEVEL'] ?? 'warn'))
  if (logLevel === undefined) {
    return `RIGEL_LOG_LEVEL: must be one of ${LOG_LEVELS.join(', ')}, got "${env['RIGEL_LOG_LEVEL']}"`
  }
  const varsFile = env['RIGEL_VARS'] || DEFAULT_VARS
  if (varsFile !== DEFAULT_VARS && !existsSync(varsFile)) return `RIGEL_VARS: there is no file ${varsFile}`
  return {
    port,
    host: env['HOST'] || 'localhost',
    persistTo: env['RIGEL_PERSIST'] || '.wrangler/state',
    varsFile,
    logLevel,
  }
}

/** Returns whether somebody listens already: workerd would share the port, or fail later. */
export function isPortTaken({ host, port }: Pick<Settings, 'host' | 'port'>): Promise<boolean> {
  return new Promise((resolve) => {
    // Every address of the machine, also 0.0.0.0, is reached by loopback.
    const socket = connect({ port, host: host === '0.0.0.0' || host === '::' ? 'localhost' : host })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'HOST: must be a name or an address of this machine, or 0.0.0.0 for all of them',
  EADDRNOTAVAIL: 'HOST: must be a name or an address of this machine, or 0.0.0.0 for all of them',
  EACCES: 'PORT: this user may not listen there; ports from 1024 on need no rights',
}

/** Returns why nobody can listen there, or undefined. workerd would fail with a stack trace, or wait. */
export function listenProblem({ host, port }: Pick<Settings, 'host' | 'port'>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(`${LISTEN_PROBLEMS[error.code ?? ''] ?? 'HOST, PORT: nobody can listen there'}, got ${host}:${port}`)
    })
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

/**
 * Returns why state cannot be kept in the folder, or undefined. workerd would wait for ever. A disk that is read-only is no
 * reason: Rigel starts, and health says it of each object, until the disk can be written again.
 */
export function folderProblem({ persistTo }: Pick<Settings, 'persistTo'>): string | undefined {
  try {
    mkdirSync(persistTo, { recursive: true })
    accessSync(persistTo, constants.W_OK)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return undefined
    return `RIGEL_PERSIST: must be a folder that can be written: ${(error as Error).message}`
  }
}
