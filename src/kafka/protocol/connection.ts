// One connection to one broker. Requests can be pipelined; the broker answers in order. A request that times out closes the
// connection, because every later response would wait behind it. Authentication: authenticate.ts. Pool: connection-pool.ts.
import type { AnyApi, Api } from './api/api.ts'
import { BrokerError, ConnectionError, UNSUPPORTED_VERSION } from './errors.ts'
import type { BrokerSocket } from './socket-port.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const CLIENT_ID = 'rigel'
const SIZE_BYTES = 4

/**
 * Largest accepted response. Memory is allocated before the bytes arrive, and an isolate has 128 MB. A fetch response exceeds
 * its limit only by one batch, so a larger size is a batch that cannot be held, or garbage such as an HTTP response.
 */
const MAX_RESPONSE_BYTES = 48 * 1_048_576

/** Enough for the header of a fetch response and of its first batch. */
const START_BYTES = 65_536
/** Bytes that are read at a time from the rest of a response that is not kept. */
const CHUNK_BYTES = 1_048_576

interface ReceivedResponse {
  readonly bytes: Uint8Array
  /** The response was too large: only its beginning was kept. */
  readonly isStart: boolean
}

interface PendingRequest {
  readonly correlationId: number
  /** Whether the beginning of a response that is too large is of use. */
  readonly takesStart: boolean
  /** A large response takes longer than the request may. */
  stopTimer(): void
  resolve(response: ReceivedResponse): void
  reject(error: Error): void
}

/** API key → versions that the broker supports, both inclusive. */
export type VersionRanges = ReadonlyMap<number, readonly [oldest: number, newest: number]>

/** Owns its socket, and is closed for good after the first error. */
export class BrokerConnection {
  readonly #socket: BrokerSocket
  readonly #name: string
  /** In the order of the requests, which is the order of the responses. */
  readonly #pending: PendingRequest[] = []
  #correlationId = 0
  #error: Error | null = null
  /** The reason to close once no response is due; null while in use. */
  #retiring: string | null = null
  #versions: VersionRanges = new Map()
  /** Milliseconds since the epoch. The broker closes an authenticated connection some time after this (KIP-368). */
  expiresAtMs = Infinity

  constructor(socket: BrokerSocket, name: string) {
    this.#socket = socket
    this.#name = name
    this.#readOn().catch((error: unknown) => this.#end(new ConnectionError(`Kafka: ${name}: ${String(error)}`)))
  }

  get isOpen(): boolean {
    return this.#error === null && this.#retiring === null
  }

  get isIdle(): boolean {
    return this.#pending.length === 0
  }

  /** Before it is set, the oldest supported version of each API is used. */
  set versions(versions: VersionRanges) {
    this.#versions = versions
  }

  /**
   * Sends a request and returns its decoded response. `newest` caps the API version. Throws a ConnectionError, or a
   * BrokerError if client and broker have no version in common.
   */
  async send<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    newest = Infinity,
  ): Promise<Response> {
    if (this.#error !== null) throw this.#error
    const version = this.#choose(api, newest)
    const flexible = version >= api.flexibleFrom
    this.#correlationId += 1
    const correlationId = this.#correlationId
    // Encode first: if it throws, no response may be expected.
    const frame = toFrame(api, version, correlationId, request)
    const response = this.#expect(correlationId, api, timeoutMs)
    this.#socket.write(frame).catch((error: unknown) => {
      this.#end(new ConnectionError(`Kafka: ${this.#name}: ${api.name} could not be sent: ${String(error)}`))
    })
    const { bytes, isStart } = await response
    const reader = new Reader({ flexible }, bytes)
    reader.int32()
    reader.end()
    try {
      return isStart && api.decodeStart ? api.decodeStart(reader, version) : api.decode(reader, version)
    } catch (error) {
      this.close(`unreadable ${api.name} response: ${String(error)}`)
      throw new ConnectionError(`Kafka: ${this.#name}: the response to ${api.name} cannot be read: ${String(error)}`)
    }
  }

  close(why: string): void {
    this.#end(new ConnectionError(`Kafka: ${this.#name}: closed: ${why}`))
  }

  /** Closes the connection once all responses have arrived, so that no caller is left without an outcome. */
  retire(why: string): void {
    this.#retiring = why
    if (!this.isIdle) return
    // In the next turn of the event loop: a caller may hold the connection and be about to send.
    setTimeout(() => {
      if (this.isIdle) this.close(why)
    }, 0)
  }

  #choose({ key, name, versions: [oldest, newestOfOurs] }: AnyApi, newest: number): number {
    const theirs = this.#versions.get(key) ?? (this.#versions.size === 0 ? [oldest, oldest] : null)
    if (theirs === null) throw new BrokerError(UNSUPPORTED_VERSION, `${this.#name} does not support ${name}`)
    const [theirOldest, theirNewest] = theirs
    const version = Math.min(newestOfOurs, newest, theirNewest)
    if (version >= oldest && version >= theirOldest) return version
    const both = `${this.#name} supports ${name} ${theirOldest} to ${theirNewest}, Rigel ${oldest} to ${newestOfOurs}`
    throw new BrokerError(UNSUPPORTED_VERSION, both)
  }

  #expect(correlationId: number, api: Api<never, unknown>, timeoutMs: number): Promise<ReceivedResponse> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close(`${api.name} was not answered within ${timeoutMs} ms`), timeoutMs)
      this.#pending.push({
        correlationId,
        takesStart: 'decodeStart' in api,
        stopTimer: () => clearTimeout(timer),
        resolve: (response) => {
          clearTimeout(timer)
          resolve(response)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const head = await this.#socket.readExactly(SIZE_BYTES)
      if (head === undefined) return this.close('by the broker')
      const size = new DataView(head.buffer, head.byteOffset).getInt32(0)
      if (size < SIZE_BYTES || (size > MAX_RESPONSE_BYTES && this.#pending[0]?.takesStart !== true))
        return this.close(`a response of ${size} bytes is not Kafka's, or larger than ${MAX_RESPONSE_BYTES}`)
      const isStart = size > MAX_RESPONSE_BYTES
      const response = await (isStart ? this.#readStart(size) : this.#socket.readExactly(size))
      if (response === undefined) return this.close('by the broker, within a response')
      this.#settle(response, isStart)
    }
  }

  /** Keeps the beginning of a response that is too large, and reads past the rest, so that the connection can be used on. */
  async #readStart(size: number): Promise<Uint8Array | undefined> {
    this.#pending[0]?.stopTimer()
    const start = await this.#socket.readExactly(START_BYTES)
    for (let left = size - START_BYTES; left > 0; left -= CHUNK_BYTES) {
      if ((await this.#socket.readExactly(Math.min(left, CHUNK_BYTES))) === undefined) return undefined
    }
    return start
  }

  #settle(response: Uint8Array, isStart: boolean): void {
    const correlationId = new DataView(response.buffer, response.byteOffset).getInt32(0)
    const pending = this.#pending.shift()
    if (pending?.correlationId === correlationId) {
      pending.resolve({ bytes: response, isStart })
      if (this.#retiring !== null && this.isIdle) this.close(this.#retiring)
      return
    }
    const wanted = pending?.correlationId ?? 'none'
    const error = new ConnectionError(`Kafka: ${this.#name}: got response ${correlationId}, expected ${wanted}`)
    pending?.reject(error)
    this.#end(error)
  }

  #end(error: Error): void {
    if (this.#error !== null) return
    this.#error = error
    this.#socket.close()
    for (const pending of this.#pending.splice(0)) pending.reject(error)
  }
}

/** Request header version 1, or 2 (with tagged fields) for flexible versions. The client id is never compact (KIP-482). */
function toFrame<Request>(api: Api<Request, unknown>, version: number, correlationId: number, request: Request) {
  const flexible = version >= api.flexibleFrom
  const head = new Writer({ flexible: false })
  head.int32(0)
  head.int16(api.key)
  head.int16(version)
  head.int32(correlationId)
  head.string(CLIENT_ID)
  const body = new Writer({ flexible }, 512)
  body.end()
  api.encode(body, request, version)
  head.raw(body.finish())
  head.patchInt32(0, head.length - SIZE_BYTES)
  return head.finish()
}
