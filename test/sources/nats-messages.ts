// Messages as the NATS client gives them to callbacks, from the bytes that a server sends.
import type { Msg } from '@nats-io/nats-core'
import { concat } from '../../src/core/bytes.ts'

/** `header`: all of it, or latin1 text of its bytes. `reply`: where a stored message is acknowledged. */
export function messageOf(header: string, { data = '', reply = '', subject = 'orders' } = {}): Msg {
  const head = Uint8Array.from(header, (char) => char.charCodeAt(0))
  const bytes = concat([head, new TextEncoder().encode(data)])
  const message = {
    _msg: { hdr: header === '' ? -1 : head.length },
    _rdata: bytes,
    data: bytes.subarray(head.length),
    reply,
    subject,
    size: () => bytes.length,
    get headers(): never {
      throw new Error('the own reader of the client is not used')
    },
  }
  return message as unknown as Msg
}
