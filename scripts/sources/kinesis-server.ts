// A local Kinesis as a child process: kinesis-mock, which keeps a shard that was split until its records are gone, as AWS does
// (moto moves its records to the children). Started, paused, killed, started again with what it has stored. For the tests of
// test/sources and test/real-sources. For the bench it is moto (PyPI), which answers a read of 2,000 records a hundred times as
// fast; it keeps nothing when it ends.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const START_TIMEOUT_MS = 30_000
const STREAM_TIMEOUT_MS = 10_000
/** A machine that does other work besides may be slow. */
const CALL_TIMEOUT_MS = 30_000

/** It writes what it has to disk as often, changed or not. */
const PERSIST_MS = 200
/** After which a file that was written last holds all that was put before: far more than one write takes. */
const STORED_MS = 1_000

/** In .wrangler, which git ignores. */
const VENV = join(import.meta.dirname, '../../.wrangler/moto')

const main = createRequire(import.meta.url).resolve('kinesis-local')

/** Any credentials are taken. */
export const KINESIS_VARIABLES = {
  KINESIS_ENABLED: 'true',
  KINESIS_AWS_REGION: 'eu-west-1',
  PROXY_KINESIS_REQUEST_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'a-key-of-the-tests',
  AWS_SECRET_ACCESS_KEY: 'a-secret-of-the-tests',
}

/** One shard, as the API describes it. */
export interface ShardDescription {
  readonly ShardId: string
  readonly HashKeyRange: { readonly StartingHashKey: string; readonly EndingHashKey: string }
  readonly SequenceNumberRange: { readonly EndingSequenceNumber?: string }
}

export class KinesisServer {
  readonly #port: number
  readonly #isMoto: boolean
  readonly #folder = mkdtempSync(join(tmpdir(), 'rigel-kinesis-'))
  #process: ChildProcess | undefined
  #output = ''

  private constructor(port: number, isMoto: boolean) {
    this.#port = port
    this.#isMoto = isMoto
    process.once('exit', () => this.#process?.kill('SIGKILL'))
  }

  /** `port`, and the next one, are taken. */
  static async start(port: number): Promise<KinesisServer> {
    const server = new KinesisServer(port, false)
    await server.start()
    return server
  }

  /** Needs Python 3 with venv. */
  static async startMoto(port: number): Promise<KinesisServer> {
    const server = new KinesisServer(port, true)
    await server.start()
    return server
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** With what it has stored. */
  async start(): Promise<void> {
    const [command, args] = this.#isMoto ? [moto(), ['-p', String(this.#port)]] : [process.execPath, [main]]
    const child = spawn(command, args, {
      cwd: dirname(main),
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        KINESIS_MOCK_PLAIN_PORT: String(this.#port),
        KINESIS_MOCK_TLS_PORT: String(this.#port + 1),
        SHOULD_PERSIST_DATA: 'true',
        PERSIST_PATH: this.#folder,
        PERSIST_INTERVAL: `${PERSIST_MS}ms`,
        LOG_LEVEL: 'WARN',
        ...Object.fromEntries(
          ['CREATE_STREAM', 'DELETE_STREAM', 'SPLIT_SHARD', 'MERGE_SHARDS'].map((name) => [`${name}_DURATION`, '50ms']),
        ),
      },
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.#output += String(bytes)))
    this.#process = child
    const endMs = Date.now() + START_TIMEOUT_MS
    for (;;) {
      const isUp = await this.call('ListStreams', {}).then(
        () => true,
        () => false,
      )
      if (isUp) return
      if (child.exitCode !== null || Date.now() > endMs) throw new Error(`Kinesis has not started:\n${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Calls the API. Throws its error. */
  async call<T = unknown>(name: string, body: object): Promise<T> {
    const response = await fetch(this.endpoint, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `Kinesis_20131202.${name}`,
        // The region is in it; the signature is not checked.
        authorization:
          'AWS4-HMAC-SHA256 Credential=test/20261127/eu-west-1/kinesis/aws4_request, SignedHeaders=host, Signature=0',
        'x-amz-date': '20261127T000000Z',
      },
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${name}: ${response.status} ${text}`)
    return (text === '' ? {} : JSON.parse(text)) as T
  }

  async createStream(name: string, shards: number): Promise<void> {
    await this.call('CreateStream', { StreamName: name, ShardCount: shards })
    await this.isActive(name)
  }

  /** Resolves when the last change of the stream is done. */
  async isActive(name: string): Promise<void> {
    const endMs = Date.now() + STREAM_TIMEOUT_MS
    for (;;) {
      const { StreamDescriptionSummary: summary } = await this.call<{
        readonly StreamDescriptionSummary: { readonly StreamStatus: string }
      }>('DescribeStreamSummary', { StreamName: name })
      if (summary.StreamStatus === 'ACTIVE') return
      if (Date.now() > endMs) throw new Error(`${name} is ${summary.StreamStatus}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Ended ones too. */
  async shards(name: string): Promise<readonly ShardDescription[]> {
    return (await this.call<{ readonly Shards: readonly ShardDescription[] }>('ListShards', { StreamName: name }))
      .Shards
  }

  /** In the middle of its keys. */
  async split(stream: string, { HashKeyRange: range, ShardId }: ShardDescription): Promise<void> {
    const middle = (BigInt(range.StartingHashKey) + BigInt(range.EndingHashKey)) / 2n
    const NewStartingHashKey = String(middle)
    await this.call('SplitShard', { StreamName: stream, ShardToSplit: ShardId, NewStartingHashKey })
    await this.isActive(stream)
  }

  async merge(stream: string, one: ShardDescription, next: ShardDescription): Promise<void> {
    const shards = { ShardToMerge: one.ShardId, AdjacentShardToMerge: next.ShardId }
    await this.call('MergeShards', { StreamName: stream, ...shards })
    await this.isActive(stream)
  }

  async put(stream: string, key: string, data: string | Uint8Array): Promise<void> {
    const Data = Buffer.from(data).toString('base64')
    await this.call('PutRecord', { StreamName: stream, PartitionKey: key, Data })
  }

  async signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    if (signal === 'SIGKILL') await ended
    if (signal === 'SIGSTOP') await this.#isStopped(child.pid)
  }

  /** Resolves when the process has stopped: the signal is delivered a little later than it is sent. */
  async #isStopped(pid: number | undefined): Promise<void> {
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  /** Kills it when all that it has is stored. It writes its file in place: a kill in mid-write leaves one that it cannot read. */
  async kill(): Promise<void> {
    const endMs = Date.now() + CALL_TIMEOUT_MS
    const sinceMs = Date.now()
    for (;;) {
      await this.signal('SIGSTOP')
      if (this.#isStored(sinceMs)) break
      await this.signal('SIGCONT')
      if (Date.now() > endMs) throw new Error(`Kinesis has not stored what it has:\n${this.#output}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await this.signal('SIGKILL')
  }

  /** Returns whether its file is whole and was begun after `sinceMs`. The process must be stopped. */
  #isStored(sinceMs: number): boolean {
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name))
    return files.length > 0 && files.every((file) => statSync(file).mtimeMs > sinceMs + STORED_MS && isJson(file))
  }

  async stop(): Promise<void> {
    await this.signal('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function isJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, 'utf8'))
    return true
  } catch {
    return false
  }
}

/** Returns the program, installed once. */
function moto(): string {
  const program = join(VENV, 'bin/moto_server')
  if (existsSync(program)) return program
  execFileSync('python3', ['-m', 'venv', VENV], { stdio: ['ignore', 'ignore', 'inherit'] })
  execFileSync(join(VENV, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', 'moto[server]==5.2.5'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return program
}
