// A socket without a network: what was written to it, as requests, and answers when the test has them.
import type { AnyApi } from '../../../src/kafka/protocol/api/api.ts'
import type { BrokerSocket } from '../../../src/kafka/protocol/socket-port.ts'
import { Reader } from '../../../src/kafka/protocol/reader.ts'
import { Writer } from '../../../src/kafka/protocol/writer.ts'

export interface Request {
  readonly key: number
  readonly version: number
  readonly correlationId: number
  readonly body: Uint8Array
}

export class FakeSocket implements BrokerSocket {
  readonly requests: Request[] = []
  isClosed = false
  /** What `write` does: rejects with it. */
  writeError: Error | null = null
  #buffered = new Uint8Array()
  #isOver = false
  #wake: () => void = () => undefined

  async readExactly(count: number): Promise<Uint8Array | undefined> {
    while (this.#buffered.length < count) {
      if (this.#isOver) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    const read = this.#buffered.slice(0, count)
    this.#buffered = this.#buffered.slice(count)
    return read
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.writeError !== null) throw this.writeError
    const reader = new Reader({ flexible: false }, bytes)
    reader.int32()
    const head = { key: reader.int16(), version: reader.int16(), correlationId: reader.int32() }
    reader.string()
    const request = { ...head, body: reader.raw(reader.remaining).slice() }
    this.requests.push(request)
    this.onRequest(request)
  }

  /** For brokers that answer by themselves. */
  onRequest: (request: Request) => void = () => undefined

  close(): void {
    this.isClosed = true
    this.end()
  }

  /** The other side closes. */
  end(): void {
    this.#isOver = true
    this.#wake()
  }

  push(bytes: Uint8Array): void {
    this.#buffered = Uint8Array.of(...this.#buffered, ...bytes)
    this.#wake()
  }

  /** As a broker frames it: `write` is for the body. */
  answer({ correlationId, version }: Request, api: AnyApi, write: (writer: Writer) => void): void {
    const flexible = version >= api.flexibleFrom
    const writer = new Writer({ flexible })
    writer.int32(0)
    writer.int32(correlationId)
    writer.end()
    write(writer)
    writer.patchInt32(0, writer.length - 4)
    this.push(writer.finish())
  }
}
