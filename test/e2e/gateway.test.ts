// The API gateway as its users meet it: `npm start`, a real service behind it that is killed, real clients before it, some
// of them hostile, on raw sockets. Definitions are made at run time. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { Rigel, sleep, until } from './rigel.ts'

/** The value in .dev.vars.example. */
const INTERNAL = { authorization: 'Bearer a-development-token' }
const UPSTREAM = fileURLToPath(new URL('../upstream/upstream.ts', import.meta.url))

let rigel: Rigel
let upstream: ChildProcess

interface Echo {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

before(async () => {
  rigel = await Rigel.start()
  const target = await startUpstream()
  const routes = { '* /secret/{path...}': { secured: true }, '* /{path...}': {} }
  const response = await fetch(`${rigel.origin}/_rig/api/v3/apis`, {
    method: 'POST',
    headers: INTERNAL,
    body: JSON.stringify({ id: 'all', target, routes }),
  })
  assert.equal(response.status, 201, await response.text())
  await until('the definition is effective', async () => (await fetch(`${rigel.origin}/x`)).status === 200, 6_000)
})

after(async () => {
  upstream?.kill('SIGKILL')
  await rigel?.end()
})

void test('100 MB go up and come down, every byte', async () => {
  const bytes = Buffer.alloc(100_000_000, 'rigel')
  const up = await fetch(`${rigel.origin}/upload`, { method: 'POST', body: bytes })
  assert.deepEqual(await up.json(), { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
  const down = await fetch(`${rigel.origin}/big?bytes=${bytes.length}`)
  let gotBytes = 0
  for await (const chunk of down.body ?? []) gotBytes += (chunk as Uint8Array).byteLength
  assert.equal(gotBytes, bytes.length)
})

void test('compressed parts come as the service made them', async () => {
  const answer = await ask('GET /coded HTTP/1.1', ['range: bytes=0-9', 'accept-encoding: gzip', 'connection: close'])
  assert.match(answer, /^HTTP\/1\.1 206 [^]*content-encoding: gzip\r\n/i)
  assert.ok(answer.includes('\u001f\u008b'), 'the bytes of gzip')
})

void test('what two servers could read differently is read once', { timeout: 30_000 }, async (t) => {
  const chunked = '5\r\nhello\r\n0\r\n\r\n'
  await t.test('two lengths: the chunks count, and nothing is left over for the next request', async () => {
    const head = ['content-length: 3', 'transfer-encoding: chunked']
    const next = 'GET /next HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n'
    const answers = await ask('POST /first HTTP/1.1', head, `${chunked}${next}`)
    const [first, ...others] = echoesOf(answers)
    assert.deepEqual([first?.url, first?.body], ['/first', 'hello'])
    // The runtime may close the connection after such a request.
    assert.deepEqual(
      others.filter(({ url }) => url !== '/next'),
      [],
    )
    assert.equal(answers.match(/HTTP\/1\.1 /g)?.length, 1 + others.length)
  })
  const refused: readonly (readonly [string, readonly string[]])[] = [
    ['two content-lengths', ['content-length: 5', 'content-length: 6']],
    ['a length with a sign', ['content-length: +5']],
    ['a coding that is none', ['transfer-encoding: xchunked']],
    ['a space before the colon', ['transfer-encoding : chunked']],
    ['a folded header', ['x-a: 1', ' x-rigel-user: admin']],
  ]
  for (const [what, head] of refused) {
    await t.test(`${what} is refused`, async () => {
      assert.match(await ask('POST /x HTTP/1.1', [...head, 'connection: close'], chunked), /^HTTP\/1\.1 400 /)
    })
  }
  await t.test('two hosts are no host', async () => {
    assert.match(await ask('GET /x HTTP/1.1', ['host: b.test', 'connection: close']), /^HTTP\/1\.1 [45]\d\d /)
  })
})

void test('nothing that a client says of itself reaches the service', async () => {
  const forged = [
    'x-rigel-user: forged',
    'X_Rigel_User: forged',
    'X-Forwarded-For: forged',
    'x_forwarded_host: forged',
    'True-Client-IP: forged',
    'X-Original-URL: /forged',
    'connection: close, x-forwarded-for, x-forwarded-host, host, content-length',
  ]
  const [echo] = echoesOf(await ask('GET /x HTTP/1.1', forged))
  assert.doesNotMatch(JSON.stringify(echo?.rawHeaders), /forged/)
  assert.match(JSON.stringify(echo?.rawHeaders), /"x-forwarded-host","a\.test"/)
})

void test('a route that needs a token is not got round by its path', async () => {
  const paths = [
    '/secret/x',
    '//secret/x',
    '/%73ecret/x',
    '/secret%2fx',
    '/SECRET/x',
    '/x/../secret/x',
    '/x/..;/secret/x',
  ]
  for (const path of paths) {
    assert.match(await ask(`GET ${path} HTTP/1.1`, ['connection: close']), /^HTTP\/1\.1 40[01] /, path)
  }
})

void test('garbage is refused, and harms nobody', async () => {
  for (const garbage of [
    '\u0000\u0001\u0002\r\n\r\n',
    'GET\r\n\r\n',
    `GET /${'x'.repeat(200_000)} HTTP/1.1\r\n\r\n`,
    'FOO /x HTTP/1.1\r\nhost: a\r\n\r\n',
  ]) {
    const answer = await exchange(garbage)
    assert.ok(answer === '' || /^HTTP\/1\.1 [45]\d\d /.test(answer), answer.slice(0, 100))
  }
  assert.equal((await fetch(`${rigel.origin}/x`)).status, 200)
})

void test(
  'a service that is killed breaks what was under way, is 502, and is back when it is',
  { timeout: 60_000 },
  async () => {
    const socket = new WebSocket(`${rigel.origin.replace('http', 'ws')}/chat`)
    const closed = once(socket, 'close')
    await once(socket, 'message')
    const stream = await fetch(`${rigel.origin}/events?key=killed`)
    const reader = stream.body?.getReader()
    assert.match(new TextDecoder().decode((await reader?.read())?.value), /first/)

    const { port } = new URL(await killUpstream())
    await assert.rejects(async () => reader?.read(), 'the stream breaks, and does not seem to end')
    assert.equal((await closed)[0], 1006)
    assert.equal((await fetch(`${rigel.origin}/x`)).status, 502)

    await startUpstream(port)
    await until('it is back', async () => (await fetch(`${rigel.origin}/x`)).status === 200, 20_000)
  },
)

void test('definitions outlive a kill of Rigel', { timeout: 150_000 }, async () => {
  await rigel.kill()
  await rigel.start()
  assert.equal((await fetch(`${rigel.origin}/x`)).status, 200)
})

void test('clients that break off take no service out for others', async () => {
  const starts: readonly (readonly [string, string])[] = [
    ['POST /upload HTTP/1.1\r\nhost: a.test\r\ncontent-length: 100', 'a part'],
    ['POST /upload HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1000000', 'x'.repeat(70_000)],
    ['POST /upload HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked', '5\r\nhello\r\n'],
    ['GET /hang HTTP/1.1\r\nhost: a.test', ''],
    ['GET /hang-after-head HTTP/1.1\r\nhost: a.test', ''],
  ]
  for (const [head, body] of starts) {
    await Promise.all(Array.from({ length: 8 }, () => breakOff(`${head}\r\n\r\n${body}`)))
    assert.equal((await fetch(`${rigel.origin}/x`)).status, 200, head)
  }
})

let target = ''

/** Its address. On a port of its own choice, or that of the one before it. */
async function startUpstream(port = '0'): Promise<string> {
  upstream = spawn('node', [UPSTREAM, port], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [told] = (await once(upstream.stdout ?? upstream, 'data')) as [Buffer]
  target = `http://127.0.0.1:${told.toString().trim()}`
  return target
}

async function killUpstream(): Promise<string> {
  const gone = once(upstream, 'exit')
  upstream.kill('SIGKILL')
  await gone
  return target
}

/** A request as bytes, of `a.test`; the answer as Latin-1. */
function ask(line: string, headers: readonly string[], body = ''): Promise<string> {
  return exchange([line, 'host: a.test', ...headers, '', body].join('\r\n'))
}

function exchange(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(rigel.origin)
    const chunks: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(request, 'latin1'))
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no end of the answer to ${request.slice(0, 100)}`)))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('end', () => socket.end())
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
    )
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

/** Sends it, and resets the connection when the service has it. */
async function breakOff(request: string): Promise<void> {
  const { hostname, port } = new URL(rigel.origin)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(request)
  await sleep(200)
  socket.resetAndDestroy()
  await once(socket, 'close')
}

/** Of each answer in a row. */
function echoesOf(answers: string): readonly Echo[] {
  return [...answers.matchAll(/\{"method".*?"body":"[^"]*"\}/g)].map(([json]) => JSON.parse(json) as Echo)
}
