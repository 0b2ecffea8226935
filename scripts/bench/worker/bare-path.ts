// The least that could be called publishing, with which an event that is published by itself is compared: a Worker checks the request,
// a log's object stores the event, answers when it is durable, and passes it to another object, which stores it too, and then sends it to
// its sockets. Two calls, two commits, as Rigel has; no option, no recipient, no position to resume from.
import { DurableObject } from 'cloudflare:workers'
import type { BenchEnv } from './bench-env.ts'

export const BARE_PATH = '/bench/path'
const OBJECTS = '?objects='
const CONTENT_TYPE = 'application/cloudevents+json'
const MAX_BYTES = 100_000
const REQUIRED = ['specversion', 'id', 'source', 'type']

/**
 * Answers a POST of an event, and opens a WebSocket that gets all events. `?objects=<log>,<shard>` names the objects that the event goes to.
 */
export async function publishBarely(request: Request, env: BenchEnv): Promise<Response> {
  if (request.headers.get('upgrade') === 'websocket') return env.BARE_PATH.getByName('shard').fetch(request)
  if (request.method !== 'POST') return new Response(null, { status: 405 })
  if (request.headers.get('content-type') !== CONTENT_TYPE) return new Response(null, { status: 415 })
  if (!(Number(request.headers.get('content-length')) <= MAX_BYTES)) return new Response(null, { status: 413 })
  const text = await request.text()
  if (!isEvent(text)) return new Response(null, { status: 400 })
  const [, objects = 'log,shard'] = request.url.split(OBJECTS)
  const [log = '', shard = ''] = objects.split(',')
  const offset = await env.BARE_PATH.getByName(log).append(text, shard)
  return Response.json({ offset }, { status: 202, headers: { 'access-control-allow-origin': '*' } })
}

function isEvent(text: string): boolean {
  try {
    const event = JSON.parse(text) as Readonly<Record<string, unknown>>
    return REQUIRED.every((name) => typeof event[name] === 'string' && event[name] !== '')
  } catch {
    return false
  }
}

export class BarePath extends DurableObject<BenchEnv> {
  #offset = -1

  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env)
    const { sql } = this.ctx.storage
    sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)')
    this.#offset = sql.exec<{ last: number }>('SELECT COALESCE(MAX(id), -1) AS last FROM rows').one().last
  }

  /** Returns the offset. The runtime holds it back, and the call, until the row is durable (output gate). */
  append(text: string, shard: string): number {
    const offset = this.#store(text)
    this.ctx.waitUntil(this.env.BARE_PATH.getByName(shard).deliver(text))
    return offset
  }

  deliver(text: string): void {
    this.#store(text)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }

  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }

  #store(text: string): number {
    this.#offset += 1
    this.ctx.storage.sql.exec('INSERT INTO rows (id, text) VALUES (?, ?)', this.#offset, text)
    return this.#offset
  }
}
