// What Rigel is compared with: Durable Objects that do the least work for the same result.
import { DurableObject } from 'cloudflare:workers'
import type { BenchEnv } from './bench-env.ts'

const encoder = new TextEncoder()

/** About what Rigel's are. */
const GREETING_BYTES = [400, 250]

/** A Durable Object that only sends, and only stores. */
export class Bare extends DurableObject<BenchEnv> {
  readonly #streams = new Set<ReadableByteStreamController>()

  override fetch(request: Request): Response {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      if (request.url.includes('greeting')) for (const bytes of GREETING_BYTES) server.send('x'.repeat(bytes))
      return new Response(null, { status: 101, webSocket: client })
    }
    if (request.url.endsWith('/poll')) return Response.json([])
    let opened: ReadableByteStreamController
    const body = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        opened = controller
        this.#streams.add(controller)
        controller.enqueue(encoder.encode(': open\n\n'))
      },
      // Without it the object would keep the streams of all clients that have gone.
      cancel: () => void this.#streams.delete(opened),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  override webSocketMessage(socket: WebSocket, message: string): void {
    socket.send(message)
  }

  /** RFC 6455 wants an answer, which the runtime does not give for a hibernatable WebSocket. */
  override webSocketClose(socket: WebSocket): void {
    socket.close()
  }

  sendToSockets(text: string): void {
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }

  sendToStreams(text: string): void {
    const bytes = encoder.encode(text)
    for (const controller of this.#streams) controller.enqueue(bytes.slice())
  }

  /** Events per second into SQLite, one row each. */
  insert(text: string, count: number): void {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)')
    for (let n = 0; n < count; n += 1) this.ctx.storage.sql.exec('INSERT INTO rows (text) VALUES (?)', text)
  }
}
