// A backend service for tests, a process of its own: it streams, hangs, resets, lies about its length, counts and echoes.
// Prints its port. Run: node test/upstream/upstream.ts [port]
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'
import { WebSocketServer } from 'ws'

/** A connection that is closed for having been idle (after 5 s by default) just when it is used again would fail a POST. */
const UNUSED_MS = 3_600_000

type Handler = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => void | Promise<void>

/** By key, how often something was asked. */
const counts = new Map<string, number>()
/** By key, streams that go on when somebody says so. */
const held = new Map<string, () => void>()
const CHUNK = Buffer.alloc(65_536, 'x')

function* chunksOf(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
}

function count(key: string | null): number {
  const next = (counts.get(key ?? '') ?? 0) + 1
  counts.set(key ?? '', next)
  return next
}

const handlers: Record<string, Handler> = {
  '/hang': () => undefined,
  '/hang-after-head': (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.write('head')
  },
  '/reset': (request) => void request.socket.destroy(),
  '/reset-midway': (request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => request.socket.resetAndDestroy())
  },
  '/lie-short': (request) => {
    request.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfourAND MORE')
  },
  /** Ends as if that were all. */
  '/lie-long': (request) => void request.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'),
  '/lie-chunked': (request) =>
    void request.socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
  /** Nobody asked for an upgrade. */
  '/switch': (request) => {
    request.socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nbytes of x')
  },
  '/continue': (_request, response) => {
    response.writeContinue()
    response.writeProcessing()
    response.end('after 100 and 102')
  },
  '/lie-garbage': (request) => void request.socket.end('this is not HTTP\r\n\r\n'),
  '/smuggle': (request) => {
    request.socket.end(
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    )
  },
  '/early-hints': (_request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.end('after the hints')
  },
  '/status': (_request, response, query) => void response.writeHead(Number(query.get('code'))).end(),
  '/redirect': (_request, response, query) => {
    response.writeHead(302, { location: query.get('to') ?? 'http://elsewhere.example.com/stolen' }).end()
  },
  '/v1/redirect': (_request, response, query) =>
    void response.writeHead(302, { location: query.get('to') ?? '' }).end(),
  /** Counts whether the body began, and whether it was complete or broke off. */
  '/whole': (request, response, query) => {
    let bytes = 0
    request.once('data', () => count(`begun ${query.get('key')}`))
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('error', () => count(`broken ${query.get('key')}`))
    request.on('end', () => {
      count(`complete ${query.get('key')}`)
      response.end(String(bytes))
    })
  },
  '/cookies': (_request, response) => {
    response
      .writeHead(200, {
        'set-cookie': ['a=1; Path=/', 'b=2; Path=/'],
        connection: 'x-hop',
        'x-hop': 'own',
        'proxy-authenticate': 'Basic',
      })
      .end()
  },
  /** Of a coding that nobody here decodes, or of gzip a part. */
  '/coded': (request, response, query) => {
    const coding = query.get('coding') ?? 'gzip'
    const bytes = coding === 'gzip' ? gzipSync('compressed text') : Buffer.from('what only the client can read')
    const range = request.headers.range === undefined ? {} : { 'content-range': `bytes 0-9/${bytes.length}` }
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'content-encoding': query.get('name') ?? coding,
      'x-accepted': request.headers['accept-encoding'] ?? '',
      'cache-control': 'max-age=60',
      ...range,
    })
    response.end(request.headers.range === undefined ? bytes : bytes.subarray(0, 10))
  },
  '/cacheable': (_request, response, query) => {
    response.writeHead(200, {
      'cache-control': query.get('control') ?? '',
      ...JSON.parse(query.get('headers') ?? '{}'),
    })
    response.end(String(count(query.get('key'))))
  },
  '/flaky': (request, response, query) => {
    const asked = count(query.get('key'))
    if (asked > Number(query.get('failures'))) response.end(String(asked))
    else if (query.get('how') === 'reset') request.socket.destroy()
    else response.writeHead(503).end('not now')
  },
  '/count': (_request, response, query) => void response.end(String(counts.get(query.get('key') ?? '') ?? 0)),
  '/events': (_request, response, query) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write('data: first\n\n')
    held.set(query.get('key') ?? '', () => response.end('data: second\n\n'))
    response.on('close', () => count(`closed ${query.get('key')}`))
  },
  '/release': (_request, response, query) => {
    held.get(query.get('key') ?? '')?.()
    response.end()
  },
  '/big': async (_request, response, query) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    // A client that goes away ends the pipeline with an error.
    await pipeline(Readable.from(chunksOf(Number(query.get('bytes')))), response).catch(() => undefined)
  },
  '/upload': async (request, response) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length
      hash.update(chunk)
    }
    response.end(JSON.stringify({ bytes, sha256: hash.digest('hex') }))
  },
  /** Its head is there at once, its body when all has come. */
  '/answer-first': async (request, response) => {
    response.writeHead(200).flushHeaders()
    response.end(String((await buffer(request)).length))
  },
  /** Answers with what came so far: the request's body goes on. */
  '/first-chunk': (request, response) => {
    request.once('data', (chunk: Buffer) => response.end(chunk))
  },
}

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  response.setHeader('content-type', 'application/json')
  response.setHeader('x-echo', 'yes')
  if (request.headers['x-answer-status'] !== undefined) response.statusCode = Number(request.headers['x-answer-status'])
  const { headers, method, rawHeaders, url } = request
  response.end(JSON.stringify({ method, url, headers, rawHeaders, body: body.toString() }))
}

/** A request that breaks off is no error of this process. */
async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://upstream')
  try {
    await (handlers[url.pathname] ?? echo)(request, response, url.searchParams)
  } catch {
    response.destroy()
  }
}

const server = createServer({ keepAliveTimeout: UNUSED_MS }, (request, response) => void handle(request, response))

const sockets = new WebSocketServer({ noServer: true, handleProtocols: (protocols) => [...protocols].at(-1) ?? false })
server.on('upgrade', (request, socket, head) => {
  if (request.url?.startsWith('/refused') === true) {
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno')
    return
  }
  sockets.handleUpgrade(request, socket, head, (client) => {
    client.send(JSON.stringify({ url: request.url, headers: request.headers }))
    client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }))
    client.on('close', (code) => count(`closed ${request.url} ${code}`))
  })
})

// Its argument: the port, any by default.
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
