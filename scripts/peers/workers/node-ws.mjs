// A bare Node server: `ws` and node:http, a loop of send, nothing stored. RIGEL_DIR names whose node_modules has ws.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
const { WebSocketServer } = createRequire(`${process.env.RIGEL_DIR}/package.json`)('ws')

const sockets = new Map()
const streams = new Map()
const add = (map, id, one) => {
  if (!map.has(id)) map.set(id, new Set())
  map.get(id).add(one)
  one.on('close', () => map.get(id).delete(one))
}
const idOf = (request) => new URL(request.url, 'http://x').searchParams.get('id')

const server = createServer((request, response) => {
  if (request.url.startsWith('/sub')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n')
    add(streams, idOf(request), response)
    return
  }
  if (!request.url.startsWith('/pub')) return void response.end('ok')
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const id = idOf(request)
    const body = Buffer.concat(chunks)
    const text = body.toString()
    for (const socket of sockets.get(id) ?? []) socket.send(text)
    for (const stream of streams.get(id) ?? []) stream.write(`data: ${text}\n\n`)
    response.end('ok')
  })
})
server.keepAliveTimeout = 600_000
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, request) =>
  add(sockets, idOf(request), socket),
)
server.listen(Number(process.env.PORT), '127.0.0.1', 10_000)
