// Unmodified clients of other people, in JavaScript, Python and Go, against a running Rigel: each connects as its own
// documentation shows, receives, survives a SIGKILL of the server, and misses nothing of what was produced meanwhile.
// Installs them into folders beside this file. Needs Python 3 with venv, and Go. Run: npm run test:clients
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { Rigel, until } from '../e2e/rigel.ts'
import { TOPIC } from '../e2e/topic.ts'

const here = import.meta.dirname
const TYPE = 'com.clients.tried'

interface Line {
  readonly open?: true
  readonly id?: string
  readonly published?: string
}

/** Name in docs/clients.md → the command that runs it. */
const node = [process.execPath, join(here, 'js/client.mjs')]
const python = [join(here, 'python/venv/bin/python'), join(here, 'python/client.py')]
const go = [join(here, 'go/clients')]
const READERS: Readonly<Record<string, readonly string[]>> = {
  eventsource: [...node, 'eventsource'],
  '@microsoft/fetch-event-source': [...node, 'fetch-event-source'],
  'event-source-polyfill': [...node, 'event-source-polyfill'],
  'reconnecting-websocket': [...node, 'reconnecting-websocket'],
  partysocket: [...node, 'partysocket'],
  phoenix: [...node, 'phoenix'],
  'sseclient-py': [...python, 'sseclient-py'],
  'httpx-sse': [...python, 'httpx-sse'],
  requests: [...python, 'requests'],
  websockets: [...python, 'websockets'],
  'github.com/r3labs/sse/v2': [...go, 'r3labs'],
  'github.com/coder/websocket': [...go, 'coder'],
}
const PUBLISHERS: Readonly<Record<string, readonly string[]>> = {
  'cloudevents (npm)': [...node, 'cloudevents'],
  'cloudevents (PyPI)': [...python, 'cloudevents'],
  'github.com/cloudevents/sdk-go/v2': [...go, 'cloudevents'],
}

class Client {
  readonly name: string
  readonly lines: Line[] = []
  readonly #process: ChildProcess
  #errors = ''

  constructor(name: string, [command = '', ...args]: readonly string[], token: string) {
    this.name = name
    const env = { ...process.env, ORIGIN: rigel.origin, TOKEN: token, TYPE }
    this.#process = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process.stderr?.on('data', (bytes) => (this.#errors += String(bytes)))
    if (this.#process.stdout) {
      createInterface(this.#process.stdout).on('line', (line) => this.lines.push(JSON.parse(line) as Line))
    }
  }

  get ids(): readonly string[] {
    return this.lines.flatMap(({ id }) => id ?? [])
  }

  async has(what: string, isTrue: () => boolean): Promise<void> {
    await until(`${this.name}: ${what}`, isTrue, 90_000).catch((error: Error) => {
      throw new Error(`${error.message}\n${JSON.stringify(this.lines)}\n${this.#errors.slice(-2_000)}`)
    })
  }

  end(): void {
    this.#process.kill('SIGKILL')
  }
}

let rigel: Rigel
const clients: Client[] = []

before(async () => {
  install()
  rigel = await Rigel.start()
})

after(async () => {
  for (const client of clients) client.end()
  await rigel?.end()
})

void test('every client connects, and receives what is produced', { timeout: 300_000 }, async () => {
  for (const [name, command] of Object.entries(READERS)) {
    clients.push(new Client(name, command, await rigel.mintToken(name)))
  }
  for (const client of clients) await client.has('subscribed', () => client.lines.some(({ open }) => open))
  await produce(['1', '2'])
  for (const client of clients) await client.has('two events', () => client.ids.length >= 2)
})

void test('every client returns after a SIGKILL, and misses nothing', { timeout: 300_000 }, async () => {
  await rigel.kill()
  await rigel.start()
  await produce(['3'])
  for (const client of clients) {
    await client.has('the third event', () => client.ids.includes('3'))
    assert.deepEqual([...new Set(client.ids)], ['1', '2', '3'], client.name)
  }
})

for (const [name, command] of Object.entries(PUBLISHERS)) {
  void test(`${name} publishes in binary and in structured mode`, { timeout: 120_000 }, async () => {
    const publisher = new Client(name, command, '')
    clients.push(publisher)
    await publisher.has('both are published', () => publisher.lines.length === 2)
    const published = publisher.lines.flatMap(({ published: id }) => id ?? [])
    const [reader] = clients
    await reader?.has('both arrive', () => published.every((id) => reader.ids.includes(id)))
  })
}

void test('docs/clients.md names every client that is tried, with its version', () => {
  const documentation = readFileSync(join(here, '../../docs/clients.md'), 'utf8')
  const versions = [
    ...readFileSync(join(here, 'js/package.json'), 'utf8').matchAll(/^ {4}"([^"]+)": "(\d[^"]*)"/gm),
    ...readFileSync(join(here, 'python/requirements.txt'), 'utf8').matchAll(/^([\w-]+)==(\S+)$/gm),
    ...readFileSync(join(here, 'go/go.mod'), 'utf8').matchAll(/^\s*(\S+) v(\S+)$/gm),
  ]
  const missing = versions.filter(([, name, version]) => !documentation.includes(`| ${name} | ${version} |`))
  assert.deepEqual(
    missing.map(([, name, version]) => `| ${name} | ${version} |`),
    [],
  )
})

function install(): void {
  const run = (cwd: string, command: string, ...args: string[]): void => {
    execFileSync(command, args, { cwd: join(here, cwd), stdio: ['ignore', 'ignore', 'inherit'] })
  }
  run('js', 'npm', 'ci', '--no-audit', '--no-fund')
  run('python', 'python3', '-m', 'venv', 'venv')
  run('python', 'venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt')
  run('go', 'go', 'build', '-o', 'clients', '.')
}

async function produce(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const event = { specversion: '1.0', id, source: '/clients', type: TYPE, data: { n: id } }
    await rigel.kafka.producer().produce(TOPIC, event, { key: 'one partition' })
  }
}
