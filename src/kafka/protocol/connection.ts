// One connection to one broker: requests in, responses out, in the order asked, as many at once as callers like. A request
// that is not answered in time ends the connection, for nothing behind it would be answered either. Who authenticates it
// and who opens another: authenticate.ts, cluster.ts.
import type { AnyApi, Api } from './api/api.ts'
import { BrokerError, ConnectionError, UNSUPPORTED_VERSION } from './errors.ts'
import type { BrokerSocket } from './socket-port.ts'
import { Reader, Writer } from './wire.ts'

const CLIENT_ID = 'rigel'
const SIZE_BYTES = 4

/**
 * The largest answer is a fetch: its limit, or one batch that is larger. Memory is taken for it before it comes, and an
 * isolate has 128 MB. More is a batch that could not be held, or garbage, such as the greeting of a web server.
 */
const MAX_RESPONSE_BYTES = 48 * 1_048_576

interface Pending {
  readonly correlationId: number
  resolve(response: Uint8Array): void
  reject(error: Error): void
}

/** By the number of the API: what the broker speaks. */
export type VersionRanges = ReadonlyMap<number, readonly [oldest: number, newest: number]>

export class Connection {
  readonly #socket: BrokerSocket
  readonly #name: string
  /** Brokers answer in the order asked. */
  readonly #pending: Pending[] = []
  #correlationId = 0
  #error: Error | null = null
  /** Why it closes when all is answered; null: it stays. */
  #retiring: string | null = null
  #versions: VersionRanges = new Map()
  /** Brokers that authenticate end a connection after its lifetime. */
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

  /** Until it is known, the oldest version of an API is spoken. */
  set versions(versions: VersionRanges) {
    this.#versions = versions
  }

  /** Rejects with a ConnectionError; with a BrokerError if there is no version in common. `newest`: speak none newer. */
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
    // May throw: then nothing is expected.
    const frame = toFrame(api, version, correlationId, request)
    const response = this.#expect(correlationId, api.name, timeoutMs)
    this.#socket.write(frame).catch((error: unknown) => {
      this.#end(new ConnectionError(`Kafka: ${this.#name}: ${api.name} not sent: ${String(error)}`))
    })
    const reader = new Reader({ flexible }, await response)
    reader.int32()
    reader.end()
    try {
      return api.decode(reader, version)
    } catch (error) {
      this.close(`${api.name}: garbage: ${String(error)}`)
      throw new ConnectionError(`Kafka: ${this.#name}: the answer to ${api.name} is garbage: ${String(error)}`)
    }
  }

  close(why: string): void {
    this.#end(new ConnectionError(`Kafka: ${this.#name}: closed: ${why}`))
  }

  /** Closes it when what is under way is answered: whoever asked must not ask again, nor wonder what became of it. */
  retire(why: string): void {
    this.#retiring = why
    if (!this.isIdle) return
    // In the next turn of the event loop: somebody may have it in hand, and be about to ask.
    setTimeout(() => {
      if (this.isIdle) this.close(why)
    }, 0)
  }

  #choose({ key, name, versions: [oldest, newestOfOurs] }: AnyApi, newest: number): number {
    const theirs = this.#versions.get(key) ?? (this.#versions.size === 0 ? [oldest, oldest] : null)
    if (theirs === null) throw new BrokerError(UNSUPPORTED_VERSION, `${this.#name} knows no ${name}`)
    const [theirOldest, theirNewest] = theirs
    const version = Math.min(newestOfOurs, newest, theirNewest)
    if (version >= oldest && version >= theirOldest) return version
    const both = `${this.#name} speaks ${name} ${theirOldest} to ${theirNewest}, we ${oldest} to ${newestOfOurs}`
    throw new BrokerError(UNSUPPORTED_VERSION, both)
  }

  #expect(correlationId: number, what: string, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close(`${what} was not answered within ${timeoutMs} ms`), timeoutMs)
      this.#pending.push({
        correlationId,
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
      if (size < SIZE_BYTES || size > MAX_RESPONSE_BYTES)
        return this.close(`an answer of ${size} bytes is none of Kafka's, or beyond ${MAX_RESPONSE_BYTES}`)
      const response = await this.#socket.readExactly(size)
      if (response === undefined) return this.close('by the broker, within an answer')
      this.#settle(response)
    }
  }

  #settle(response: Uint8Array): void {
    const correlationId = new DataView(response.buffer, response.byteOffset).getInt32(0)
    const pending = this.#pending.shift()
    if (pending?.correlationId === correlationId) {
      pending.resolve(response)
      if (this.#retiring !== null && this.isIdle) this.close(this.#retiring)
      return
    }
    const wanted = pending?.correlationId ?? 'none'
    const error = new ConnectionError(`Kafka: ${this.#name}: answer ${correlationId} came, ${wanted} was next`)
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

/** The header has one tagged field section more in the flexible generation; its client id is never compact. */
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
