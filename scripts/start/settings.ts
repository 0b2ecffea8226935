// The environment variables of `npm start`, and whether its port is free. Called by start.ts.
import { connect } from 'node:net'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

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
  return {
    port,
    host: env['HOST'] || 'localhost',
    persistTo: env['RIGEL_PERSIST'] || '.wrangler/state',
    varsFile: env['RIGEL_VARS'] || '.dev.vars',
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
