// The browser's side of Rigel: `connect` returns a connection that returns by itself and misses nothing. No dependencies.
// docs/client.md shows its use; `npm run build:client` makes public/_rig/client.js of it.
import { Connection } from './connection.ts'
import { toRigel } from './facade.ts'
import type { ConnectOptions, EventTypes, Rigel } from './types.ts'

export type {
  CloudEvent,
  ConnectionState,
  ConnectOptions,
  EventTypes,
  Handler,
  Problem,
  ReceivedEvent,
  Rigel,
  Subscription,
  TransportName,
} from './types.ts'

/**
 * Connects, and stays connected until `close()` or until the server says that the same request would be refused again.
 *
 *     const rigel = connect({ url, token: () => fetchToken(), subscriptions: [{ eventType: 'order.*' }] })
 *     for await (const event of rigel) show(event)
 */
export function connect<Events extends EventTypes = EventTypes>(options: ConnectOptions = {}): Rigel<Events> {
  return toRigel<Events>(new Connection(options))
}
