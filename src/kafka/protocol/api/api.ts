// The description of one Kafka API: its key, the supported versions, and how to encode a request and decode a response. Each
// API has a file. The oldest versions are those of Azure Event Hubs; all are in brokers of 4.x too (KIP-896).
import type { Reader } from '../reader.ts'
import type { Writer } from '../writer.ts'

/** One API. `decode` reads a response body, without its header. */
export interface Api<Request, Response> {
  readonly name: string
  readonly key: number
  /** Both inclusive. */
  readonly versions: readonly [oldest: number, newest: number]
  /** The first version with compact lengths and tagged fields. */
  readonly flexibleFrom: number
  encode(writer: Writer, request: Request, version: number): void
  decode(reader: Reader, version: number): Response
  /** Decodes what begins a response that is too large to be held. Absent: such a response closes the connection. */
  decodeStart?(reader: Reader, version: number): Response
}

/** The description without types, for lists of APIs. */
export type AnyApi = Pick<Api<never, unknown>, 'name' | 'key' | 'versions' | 'flexibleFrom'>
