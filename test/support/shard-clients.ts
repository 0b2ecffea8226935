// Clients of one shard for tests inside workerd: what a browser would see of an SSE stream or a WebSocket, read by
// predicates and never by waiting for a time.
import { env } from 'cloudflare:workers'
import type { RoutedEvent } from '../../src/core/events/stored-event.ts'
import { encodeBatches, type AppendBatch } from '../../src/core/delivery/batch-codec.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { stampConnect } from '../../src/rpc/shard.ts'

export interface Frame {
  readonly event: string
  readonly id: string
  readonly data: Record<string, unknown>
  /** As it came. */
  readonly raw: string
}

const NOBODY = { user: null, session: null, expSeconds: null }

export function connectRequest(wanted: Partial<ConnectRequest> = {}): ConnectRequest {
  return {
    transport: 'sse',
    principal: NOBODY,
    subscriptions: [],
    lastEventId: null,
    protocol: null,
    allowOrigin: '*',
    ...wanted,
  }
}

export function asUser(user: string): ConnectRequest['principal'] {
  return { user, session: null, expSeconds: null }
}

/** A shard of its own for each test. */
let shards = 10_000
export function newShard() {
  shards += 1
  return env.USER_SHARD.getByName(`shard-${shards}`)
}

export function event(offset: number, more: Partial<RoutedEvent> = {}): RoutedEvent {
  const type = more.type ?? 'greeting'
  const json = JSON.stringify({ specversion: '1.0', id: String(offset), source: '/test', type, data: { n: offset } })
  return { offset, type, utf8: new TextEncoder().encode(json), fields: {}, recipients: null, ...more }
}

export function batch(events: readonly RoutedEvent[], more: Partial<AppendBatch> = {}): AppendBatch {
  return { topic: 'rig', partition: 0, generation: 0, packs: encodeBatches(events), ...more }
}

export class SseClient {
  readonly response: Response
  readonly frames: Frame[] = []
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  #text = ''
  lastEventId = ''

  constructor(response: Response) {
    this.response = response
    if (response.body === null) throw new Error('no body')
    this.#reader = response.body.getReader()
  }

  static async open(shard: DurableObjectStub, wanted: Partial<ConnectRequest> = {}): Promise<SseClient> {
    return new SseClient(await shard.fetch(...stampConnect(connectRequest({ ...wanted, transport: 'sse' }))))
  }

  /** Reads until there are `count` frames that pass; fails when the stream ends before. */
  async until(count: number, type?: string): Promise<readonly Frame[]> {
    const wanted = () => this.frames.filter((frame) => type === undefined || frame.event === type)
    await this.read(
      () => wanted().length >= count,
      () => `${wanted().length} of ${count} frames`,
    )
    return wanted()
  }

  /** Reads until `isDone`; fails when the stream ends before. */
  async read(isDone: () => boolean, had: () => string = () => `${this.frames.length} frames`): Promise<void> {
    while (!isDone()) {
      const { done, value } = await this.#reader.read()
      if (done) throw new Error(`stream ended after ${had()}`)
      this.#parse(this.#decoder.decode(value, { stream: true }))
    }
  }

  /** Reads to the end of the stream. */
  async rest(): Promise<readonly Frame[]> {
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (done) return this.frames
      this.#parse(this.#decoder.decode(value, { stream: true }))
    }
  }

  async close(): Promise<void> {
    await this.#reader.cancel()
  }

  #parse(text: string): void {
    this.#text += text
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      this.#block(this.#text.slice(0, end))
      this.#text = this.#text.slice(end + 2)
    }
  }

  #block(block: string): void {
    const field = (name: string) =>
      block
        .split('\n')
        .filter((line) => line.startsWith(`${name}: `))
        .map((line) => line.slice(name.length + 2))
    const id = field('id')[0]
    if (id !== undefined) this.lastEventId = id
    const data = field('data')
    if (data.length > 0) {
      this.frames.push({
        event: field('event')[0] ?? 'message',
        id: id ?? '',
        data: JSON.parse(data.join('\n')) as Record<string, unknown>,
        raw: data.join('\n'),
      })
    }
  }
}

interface Heartbeat {
  readonly last_event_id?: string
}

export class WsClient {
  readonly socket: WebSocket
  readonly received: string[] = []
  closed: { code: number; reason: string } | undefined
  #changed: () => void = () => undefined

  constructor(response: Response) {
    if (response.webSocket === null) throw new Error(`no WebSocket: ${response.status}`)
    this.socket = response.webSocket
    this.socket.addEventListener('message', ({ data }) => {
      this.received.push(String(data))
      this.#changed()
    })
    this.socket.addEventListener('close', ({ code, reason }) => {
      this.closed = { code, reason }
      this.#changed()
    })
    this.socket.accept()
  }

  static async open(shard: DurableObjectStub, wanted: Partial<ConnectRequest> = {}): Promise<WsClient> {
    return new WsClient(await shard.fetch(...stampConnect(connectRequest({ ...wanted, transport: 'ws' }))))
  }

  /** Everything received, frames of `rigel.v1` taken apart: events and own events alike. */
  get events(): readonly { id: string; event: Record<string, unknown> }[] {
    return this.received.flatMap((text) => {
      const frame = JSON.parse(text) as Record<string, unknown>
      if (frame['type'] === 'events') return frame['events'] as { id: string; event: Record<string, unknown> }[]
      return 'specversion' in frame ? [{ id: '', event: frame }] : []
    })
  }

  /** Positions as they came: of events, of `position` frames, and of heartbeats with plain frames. */
  get positions(): readonly string[] {
    return this.received.flatMap((text) => {
      const frame = JSON.parse(text) as { type?: string; id?: string; events?: { id: string }[]; data?: Heartbeat }
      if (frame.type === 'position') return [frame.id ?? '']
      if (frame.type === 'rig.heartbeat') return [frame.data?.last_event_id ?? '']
      return (frame.events ?? []).map(({ id }) => id)
    })
  }

  ofType(type: string) {
    return this.events.filter(({ event: { type: of } }) => of === type)
  }

  async until(condition: (client: this) => boolean): Promise<this> {
    while (!condition(this)) {
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
    return this
  }

  async untilType(type: string, count: number): Promise<readonly { id: string; event: Record<string, unknown> }[]> {
    await this.until((client) => client.ofType(type).length >= count)
    return this.ofType(type)
  }
}
