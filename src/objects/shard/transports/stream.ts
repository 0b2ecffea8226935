// The transport of streamed HTTP responses, SSE and NDJSON: opens connections (stream-connection.ts) in the encoding that the
// client asks for, and sends them heartbeats.
import type { RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { stampError } from '../../../rpc/shard.ts'
import type { Opening } from '../connections/connection-state.ts'
import { Heartbeat } from './heartbeat.ts'
import { StreamConnection } from './stream-connection.ts'
import type { StreamEncoding } from './stream-encoding.ts'
import type { Transport, TransportParts } from './transport.ts'

export class StreamTransport implements Transport {
  readonly #parts: TransportParts
  readonly #encodingOf: (connect: ConnectRequest) => StreamEncoding
  /** One per encoding, whose heartbeat is encoded once for all of its connections. */
  readonly #heartbeats = new Map<StreamEncoding, Heartbeat<StreamConnection>>()

  constructor(parts: TransportParts, encodingOf: (connect: ConnectRequest) => StreamEncoding) {
    this.#parts = parts
    this.#encodingOf = encodingOf
  }

  open(opening: Opening): Response {
    const encoding = this.#encodingOf(opening.connect)
    const heartbeat = this.#heartbeatOf(encoding)
    const connection = new StreamConnection(opening, this.#parts, encoding, (removed) => heartbeat.delete(removed))
    this.#parts.lifecycle.add(connection)
    heartbeat.add(connection)
    this.#parts.lifecycle.greet(connection, opening)
    connection.start()
    return connection.response
  }

  refuse(_connect: ConnectRequest, reason: RigelError): Response {
    return stampError(reason)
  }

  /** A stream ends with the object that writes it. */
  restore(): void {}

  async onMessage(): Promise<void> {}

  onClose(): void {}

  sweep(): null {
    return null
  }

  #heartbeatOf(encoding: StreamEncoding): Heartbeat<StreamConnection> {
    const existing = this.#heartbeats.get(encoding)
    if (existing !== undefined) return existing
    const { context, log } = this.#parts
    const heartbeat = new Heartbeat<StreamConnection>(context.config.connections.heartbeatMs, (connections) => {
      const live = encoding.heartbeat(log.position(log.committedSeq))
      for (const connection of connections) connection.heartbeat(live)
    })
    this.#heartbeats.set(encoding, heartbeat)
    return heartbeat
  }
}
