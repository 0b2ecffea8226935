// Starts `npm start` as a user does, as a process group of its own that can be killed whole, and knows its address and
// its Kafka. State lives in a folder of the test's own; the settings are those of .dev.vars.example. With RIGEL_ON=workerd in
// the environment it starts the self-hosted build instead, which `npm run build:workerd` has made: also for `npm run soak`.
import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { Kafka } from '@upstash/kafka'
import { isPortTaken } from '../../scripts/start/settings.ts'

/** A first start of workerd on a slow machine with two cores. */
const START_WITHIN_MS = 120_000
const ASK_EVERY_MS = 200

/** What is started. */
type Runner = 'npm' | 'workerd'

const root = fileURLToPath(new URL('../..', import.meta.url))
const exampleFile = join(root, '.dev.vars.example')

export class Rigel {
  readonly origin: string
  readonly kafka: Kafka
  readonly #port: number
  readonly #persistDir: string
  #process: ChildProcess | undefined
  #output = ''

  readonly #varsFile: string
  readonly #variables: Readonly<Record<string, string | undefined>>
  readonly #runner: Runner

  private constructor(port: number, changes: Readonly<Record<string, string>>, runner: Runner, persistDir: string) {
    this.#persistDir = persistDir
    this.#runner = runner
    const vars = { ...parseEnv(readFileSync(exampleFile, 'utf8')), ...changes }
    this.#variables = vars
    this.#varsFile = join(this.#persistDir, 'vars')
    writeFileSync(
      this.#varsFile,
      Object.entries(vars)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join(''),
    )
    this.#port = port
    this.origin = `http://localhost:${port}`
    this.kafka = new Kafka({
      url: `${this.origin}/_rig/kafka`,
      username: vars['KAFKA_USERNAME'] ?? '',
      password: vars['KAFKA_PASSWORD'] ?? '',
    })
  }

  /**
   * `changes`: variables besides, or instead of, those of .dev.vars.example. `port`: for several that start at the same
   * time, since a free one may be taken meanwhile. `prepare`: fills the state folder before the start.
   * `persistDir`: a state folder that is there.
   */
  static async start(
    changes: Readonly<Record<string, string>> = {},
    port?: number,
    runner: Runner = process.env['RIGEL_ON'] === 'workerd' ? 'workerd' : 'npm',
    prepare: (folder: string) => void = () => undefined,
    persistDir = mkdtempSync(join(tmpdir(), 'rigel-e2e-')),
  ): Promise<Rigel> {
    const rigel = new Rigel(port ?? (await freePort()), changes, runner, persistDir)
    prepare(rigel.folder)
    // A runner that is told to stop, or that fails, leaves nothing running behind.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
    process.once('exit', () => rigel.#killGroup())
    await rigel.start()
    return rigel
  }

  /** With the state that is there: what was stored before a kill is there again. */
  async start(): Promise<void> {
    this.#process = this.#runner === 'npm' ? this.#spawnNpm() : this.#spawnWorkerd()
    this.#process.stdout?.on('data', (chunk) => (this.#output += String(chunk)))
    this.#process.stderr?.on('data', (chunk) => (this.#output += String(chunk)))
    await this.#isHealthy(this.#process)
  }

  #spawnNpm(): ChildProcess {
    return spawn('npm', ['start'], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Every setting of `npm start`, so that none comes from the environment of the test.
      env: {
        ...process.env,
        HOST: 'localhost',
        PORT: String(this.#port),
        RIGEL_LOG_LEVEL: 'warn',
        RIGEL_PERSIST: this.#persistDir,
        RIGEL_VARS: this.#varsFile,
      },
    })
  }

  #spawnWorkerd(): ChildProcess {
    const settings = { HOST: 'localhost', PORT: String(this.#port), RIGEL_STATE: join(this.#persistDir, 'state') }
    return spawn(join(root, 'dist/workerd/rigel'), [], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...this.#variables, ...settings },
    })
  }

  /** SIGKILL: npm, the script and workerd end at once, whatever they are doing. Resolves when the port is free. */
  async kill(): Promise<void> {
    const isGone = new Promise((resolve) => this.#process?.once('exit', resolve))
    if (!this.#killGroup()) return
    await isGone
    // workerd may end after npm: a start before that would say that the port is taken.
    const address = { host: 'localhost', port: this.#port }
    await until('nobody listens any more', async () => !(await isPortTaken(address)))
  }

  /** For the last time: its state goes too. */
  async end(): Promise<void> {
    await this.kill()
    rmSync(this.#persistDir, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Answers whether there was anything to kill. */
  #killGroup(): boolean {
    const { pid, exitCode, signalCode } = this.#process ?? {}
    if (pid === undefined || exitCode !== null || signalCode !== null) return false
    process.kill(-pid, 'SIGKILL')
    return true
  }

  async mintToken(user: string, claims: object = {}): Promise<string> {
    const response = await fetch(`${this.origin}/_rig/dev/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user, ...claims }),
    })
    const { token } = (await response.json()) as { token: string }
    return token
  }

  /** Adds variables to its file, as a developer edits .dev.vars. */
  setVariables(changes: Readonly<Record<string, string>>): void {
    const lines = Object.entries(changes).map(([name, value]) => `${name}='${value}'\n`)
    appendFileSync(this.#varsFile, lines.join(''))
  }

  /** Sends a signal to npm alone, as `docker stop` and systemd do. Resolves when npm has ended. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const isGone = new Promise((resolve) => this.#process?.once('exit', resolve))
    this.#process?.kill(signal)
    await isGone
  }

  /** Where its state is. */
  get folder(): string {
    return this.#persistDir
  }

  get port(): number {
    return this.#port
  }

  /** What it printed, for when a test fails. */
  get output(): string {
    return this.#output
  }

  async #isHealthy(started: ChildProcess): Promise<void> {
    const deadlineMs = Date.now() + START_WITHIN_MS
    while (Date.now() < deadlineMs && started.exitCode === null) {
      const response = await fetch(`${this.origin}/_rig/health`).catch(() => undefined)
      if (response?.ok) return
      await sleep(ASK_EVERY_MS)
    }
    throw new Error(`Rigel did not start:\n${this.#output}`)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits for what should become true; says what it waited for if it does not. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadlineMs = Date.now() + withinMs
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) throw new Error(`waited ${withinMs} ms in vain: ${what}`)
    await sleep(50)
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
