// Implements the NATS client's transport over a TCP socket of Workers: the client itself only has one for WebSocket.
// Reads the server's INFO, starts TLS if the server offers it, and passes bytes on. Used by nats-session.ts.
import { connect } from 'cloudflare:sockets'
import {
  extractProtocolMessage,
  INFO,
  type ConnectionOptions,
  type Server,
  type Transport,
} from '@nats-io/nats-core/internal'
import { concat } from '../../core/bytes.ts'
import { isObject, parseJson } from '../../core/json.ts'

const LANG = 'rigel'
const VERSION = '1'

/** Limit of the server's INFO line, which usually has some hundred bytes, or some thousand in a large cluster. */
const MAX_INFO_BYTES = 65_536

/** Bytes of one read. Without an own buffer a read returns at most 4 KiB, and each costs as much as parsing ten messages. */
const READ_BYTES = 131_072

/** A smaller part of a buffer is copied, so that a record of some bytes does not keep the whole buffer. */
const COPIED_BYTES = 16_384

/** One connection attempt. The client creates a new transport for each. */
export class SocketTransport implements Transport {
  readonly lang = LANG
  readonly version = VERSION
  closeError?: Error
  readonly #closed = Promise.withResolvers<void | Error>()
  #socket: Socket | undefined
  #reader: ReadableStreamBYOBReader | undefined
  /** The memory of the next read. A read detaches it, and returns it with what was read. */
  #buffer = new ArrayBuffer(READ_BYTES)
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined
  /** The bytes read while waiting for INFO, with INFO itself: the client's parser gets them first. */
  #peeked: Uint8Array = new Uint8Array()
  #isEncrypted = false
  #isConnected = false
  #isDone = false

  get isClosed(): boolean {
    return this.#isDone
  }

  async connect({ hostname, port, tlsName }: Server, options: ConnectionOptions): Promise<void> {
    this.#use(connect({ hostname, port }, { secureTransport: 'starttls', allowHalfOpen: false }))
    await this.#socket?.opened
    this.#peeked = await this.#readInfo()
    const info = parseInfo(this.#peeked)
    const hasTls = info['tls_required'] === true || info['tls_available'] === true
    if (isObject(options.tls) && !hasTls) throw new Error('the server has no TLS, which tls:// requires')
    if (hasTls && this.#socket !== undefined) await this.#startTls(this.#socket, tlsName === '' ? hostname : tlsName)
    this.#isConnected = true
  }

  async *[Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    if (this.#peeked.length > 0) yield this.#peeked
    for (;;) {
      const { done, value } = await this.#read()
      if (value !== undefined) yield value
      if (done) break
    }
    await this.close(this.closeError)
  }

  isEncrypted(): boolean {
    return this.#isEncrypted
  }

  /** Write errors are ignored here: the next read fails with the same error. */
  send(frame: Uint8Array): void {
    if (!this.#isDone) this.#writer?.write(frame).catch(() => undefined)
  }

  async close(reason?: Error): Promise<void> {
    if (this.#isDone) return
    this.#isDone = true
    if (reason !== undefined) this.closeError = reason
    await this.#socket?.close().catch(() => undefined)
    // The client waits for `closed` only after `connect` has resolved.
    if (this.#isConnected) this.#closed.resolve(reason)
  }

  disconnect(): void {
    void this.close()
  }

  closed(): Promise<void | Error> {
    return this.#closed.promise
  }

  discard(): void {
    this.#isDone = true
    this.#socket?.close().catch(() => undefined)
  }

  async #read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }> {
    try {
      const read = await this.#reader?.read(new Uint8Array(this.#buffer))
      return read === undefined ? { done: true } : this.#take(read)
    } catch (error) {
      this.closeError = error instanceof Error ? error : new Error(String(error))
      return { done: true }
    }
  }

  #take({ done, value }: ReadableStreamReadResult<Uint8Array>) {
    if (value === undefined) return { done }
    const isSmall = value.length < COPIED_BYTES
    const taken = isSmall ? value.slice() : value
    this.#buffer = isSmall && value.buffer instanceof ArrayBuffer ? value.buffer : new ArrayBuffer(READ_BYTES)
    return { done, value: taken }
  }

  async #readInfo(): Promise<Uint8Array> {
    let bytes: Uint8Array = new Uint8Array()
    while (extractProtocolMessage(bytes) === '') {
      const { value } = await this.#read()
      if (value === undefined || bytes.length > MAX_INFO_BYTES)
        throw this.closeError ?? new Error('the server closed the connection, or is not a NATS server')
      bytes = concat([bytes, value])
    }
    return bytes
  }

  async #startTls(plain: Socket, hostname: string): Promise<void> {
    this.#reader?.releaseLock()
    this.#writer?.releaseLock()
    this.#use(plain.startTls({ expectedServerHostname: hostname }))
    await this.#socket?.opened
    this.#isEncrypted = true
  }

  #use(socket: Socket): void {
    this.#socket = socket
    // Reads and writes fail with the same error.
    socket.closed.catch(() => undefined)
    this.#reader = socket.readable.getReader({ mode: 'byob' })
    this.#writer = (socket.writable as WritableStream<Uint8Array>).getWriter()
  }
}

function parseInfo(bytes: Uint8Array) {
  const info = parseJson(INFO.exec(extractProtocolMessage(bytes))?.[1] ?? '')
  if (!isObject(info)) throw new Error('the server did not begin with INFO: it is not a NATS server')
  return info
}
