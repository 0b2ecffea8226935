// What Rigel is compared with: Durable Objects that do the least work for the same result.
import { DurableObject } from 'cloudflare:workers'
import type { BenchEnv } from './bench-env.ts'

const encoder = new TextEncoder()

/** A Durable Object that only sends, and only stores. */
export class Bare extends DurableObject<BenchEnv> {
  readonly #streams = new Set<ReadableByteStreamController>()

  override fetch(request: Request): Response {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      return new Response(null, { status: 101, webSocket: client })
    }
    if (new URL(request.url).pathname.endsWith('/poll')) return Response.json([])
    const body = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        this.#streams.add(controller)
        controller.enqueue(encoder.encode(': open\n\n'))
      },
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

/**
 * The least that could be called publishing: a log's object stores the text, answers when it is durable, and passes it to
 * another object, which stores it, and then sends it to its sockets. Two calls, two commits, as Rigel has.
 */
export class BarePath extends DurableObject<BenchEnv> {
  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env)
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)')
  }

  async append(text: string, shard: string): Promise<void> {
    await this.#store(text)
    this.ctx.waitUntil(this.env.BARE_PATH.getByName(shard).deliver(text))
  }

  async deliver(text: string): Promise<void> {
    await this.#store(text)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }

  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }

  #store(text: string): Promise<void> {
    this.ctx.storage.sql.exec('INSERT INTO rows (text) VALUES (?)', text)
    return this.ctx.storage.sync()
  }
}
