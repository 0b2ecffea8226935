// The browser's side of Rigel: `connect` returns a connection that returns by itself and misses nothing. No dependencies.
// docs/client.md shows its use; `npm run build:client` makes public/_rig/client.js of it.
import { Connection } from './connection.ts'
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
  const connection = new Connection(options)
  return {
    get state() {
      return connection.state
    },
    get lastEventId() {
      return connection.position
    },
    get transport() {
      return connection.transport
    },
    closed: connection.closed,
    on: (type: string, handler: (event: never) => unknown) => connection.events.on(type, handler as never),
    onState: (listener) => connection.onState(listener),
    subscribe: (subscriptions) => connection.subscribe(subscriptions),
    close: () => connection.close(),
    [Symbol.asyncIterator]: () => connection.events.iterate(connection.closed),
  }
}
