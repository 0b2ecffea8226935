// A real nats-server as a child process: started, killed, paused, started again with what it has stored. For the tests of
// test/sources and test/real-sources, and the bench. Without NATS_SERVER, which names a binary, it is built of its
// sources in the Go module proxy, once.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const VERSION = 'v2.15.3'
const START_TIMEOUT_MS = 20_000

const cache = join(import.meta.dirname, '../../node_modules/.cache/rigel-sources')

export interface NatsServerOptions {
  readonly port: number
  /** Port of the WebSocket listener, without TLS. Absent: the server has no such listener. */
  readonly webSocketPort?: number
  /** Lines of its configuration file. */
  readonly config?: string
}

export class NatsServer {
  readonly #options: NatsServerOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'rigel-nats-'))
  #process: ChildProcess | undefined
  #output = ''

  private constructor(options: NatsServerOptions) {
    this.#options = options
    process.once('exit', () => this.#process?.kill('SIGKILL'))
  }

  static async start(options: NatsServerOptions): Promise<NatsServer> {
    const server = new NatsServer(options)
    await server.start()
    return server
  }

  /** With the streams that are there. Resolves when it takes connections. */
  async start(): Promise<void> {
    const { config = '', port, webSocketPort } = this.#options
    const file = join(this.#folder, 'nats.conf')
    const webSocket = webSocketPort === undefined ? '' : `websocket { port: ${webSocketPort}, no_tls: true }`
    writeFileSync(
      file,
      `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: "${join(this.#folder, 'data')}" }\n${webSocket}\n${config}\n`,
    )
    const child = spawn(findServer(), ['-c', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.#output += String(bytes)))
    this.#process = child
    const endMs = Date.now() + START_TIMEOUT_MS
    while (!(await takesConnections(port))) {
      if (child.exitCode !== null || Date.now() > endMs)
        throw new Error(`nats-server has not started:\n${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** `SIGKILL`: it is gone when this resolves. `SIGSTOP`, `SIGCONT`: it hangs, and goes on. */
  async signal(signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ends = signal === 'SIGKILL' || signal === 'SIGTERM'
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    if (ends) await ended
  }

  async stop(): Promise<void> {
    await this.signal('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function findServer(): string {
  const named = process.env['NATS_SERVER']
  if (named !== undefined) return named
  const binary = join(cache, VERSION, 'nats-server')
  if (existsSync(binary)) return binary
  mkdirSync(join(cache, VERSION), { recursive: true })
  execFileSync('go', ['install', `github.com/nats-io/nats-server/v2@${VERSION}`], {
    env: { ...process.env, GOBIN: join(cache, VERSION) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return binary
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
