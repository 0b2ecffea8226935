// A Phoenix client for tests inside workerd, by WebSocket, serializer V2: what the library does on the wire, and no more.
// The library itself is in test/e2e.
import { fetchRigel } from './gateway-client.ts'

const PATH = '/_rig/v1/connection/phoenix/websocket'

export type Frame = [joinRef: string | null, ref: string | null, topic: string, event: string, payload: unknown]

export class PhoenixClient {
  readonly frames: Frame[] = []
  /** The same, as text. */
  readonly texts: string[] = []
  closed: { code: number; reason: string } | undefined
  readonly #socket: WebSocket
  #refs = 0
  #changed: () => void = () => undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      this.texts.push(String(data))
      this.frames.push(JSON.parse(String(data)) as Frame)
      this.#changed()
    })
    socket.addEventListener('close', ({ code, reason }) => {
      this.closed = { code, reason }
      this.#changed()
    })
    socket.accept()
  }

  static async open(token?: string): Promise<PhoenixClient> {
    const query = new URLSearchParams({ vsn: '2.0.0', ...(token === undefined ? {} : { token }) })
    const response = await fetchRigel(`${PATH}?${query.toString()}`, { headers: { upgrade: 'websocket' } })
    if (response.webSocket === null) throw new Error(`no WebSocket: ${response.status}`)
    return new PhoenixClient(response.webSocket)
  }

  send(data: string | ArrayBuffer): void {
    this.#socket.send(data)
  }

  /** Sends it, and answers the payload of its reply. A join's ref is its join ref. */
  async ask(topic: string, event: string, payload: unknown = {}, joinRef?: string | null): Promise<unknown> {
    this.#refs += 1
    const ref = String(this.#refs)
    const join = joinRef === undefined ? ref : joinRef
    this.send(JSON.stringify([join, ref, topic, event, payload]))
    return (await this.until((frame) => frame[3] === 'phx_reply' && frame[1] === ref))[0]?.[4]
  }

  /** The ref of the newest message: after a join, its join ref. */
  get lastRef(): string {
    return String(this.#refs)
  }

  /** Timers for `count` frames that pass. */
  async until(passes: (frame: Frame) => boolean, count = 1): Promise<readonly Frame[]> {
    while (this.frames.filter(passes).length < count) {
      if (this.closed !== undefined) throw new Error(`closed: ${this.closed.code} ${this.closed.reason}`)
      await new Promise<void>((resolve) => (this.#changed = resolve))
    }
    return this.frames.filter(passes)
  }

  async untilEvent(topic: string, event: string, count = 1): Promise<readonly Frame[]> {
    return this.until((frame) => frame[2] === topic && frame[3] === event, count)
  }

  async untilClosed(): Promise<{ code: number; reason: string }> {
    while (this.closed === undefined) await new Promise<void>((resolve) => (this.#changed = resolve))
    return this.closed
  }

  /** As a client that goes away. */
  close(): void {
    this.#socket.close(1000)
  }
}
