// The transports of a shard. A new one is a file, a line here, and its name in TRANSPORTS of src/core/identity/principal.ts.
import type { TransportName } from '../../../core/identity/principal.ts'
import { LongpollTransport } from './longpoll/longpoll.ts'
import { ndjson } from './ndjson.ts'
import { PhoenixTransport } from './phoenix/phoenix-transport.ts'
import { sse, sseUnnamed } from './sse.ts'
import { StreamTransport } from './stream.ts'
import type { Transport, TransportParts } from './transport.ts'
import { WebSocketTransport } from './websocket.ts'

export function createTransports(parts: TransportParts) {
  return {
    sse: new StreamTransport(parts, ({ naming }) => (naming === 'message' ? sseUnnamed : sse)),
    ndjson: new StreamTransport(parts, () => ndjson),
    ws: new WebSocketTransport(parts),
    longpolling: new LongpollTransport(parts),
    phoenix: new PhoenixTransport(parts),
  } satisfies Record<TransportName, Transport>
}
