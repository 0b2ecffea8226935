// What one request of the protocol is: its number, the versions spoken, and both directions of its encoding. One file an
// API. The oldest are those of Azure Event Hubs, which speaks few; the newest need no more than what brokers of 4.x have
// (KIP-896 keeps what 2.1 had).
import type { Reader, Writer } from '../wire.ts'

export interface Api<Request, Response> {
  readonly name: string
  readonly key: number
  /** Both inclusive. */
  readonly versions: readonly [oldest: number, newest: number]
  /** The first version with compact lengths and tagged fields. */
  readonly flexibleFrom: number
  encode(writer: Writer, request: Request, version: number): void
  decode(reader: Reader, version: number): Response
}

/** Any request; for lists of them. */
export type AnyApi = Pick<Api<never, unknown>, 'name' | 'key' | 'versions' | 'flexibleFrom'>
