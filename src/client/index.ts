// The browser's side of Rigel: `connect` returns a connection that returns by itself and misses nothing. No dependencies.
// docs/client.md shows its use; `npm run build:client` makes public/_rig/client.js of it.
import { Connection } from './connection.ts'
import { toRigel } from './facade.ts'
import type { ConnectOptions, EventTypes, FilterTypes, Rigel, TypedOptions } from './types.ts'

export type {
  CloudEvent,
  Condition,
  ConnectionState,
  ConnectOptions,
  EventMatching,
  EventOf,
  EventTypes,
  FilterTypes,
  Handler,
  Problem,
  Produced,
  ReceivedEvent,
  Rigel,
  Subscription,
  TransportName,
  TypedOptions,
  TypedSubscription,
  TypeOrPattern,
} from './types.ts'

/**
 * Connects, and stays connected until `close()` or until the server says that the same request would be refused again.
 *
 *     const rigel = connect({ url, token: () => fetchToken(), subscriptions: [{ eventType: 'order.*' }] })
 *     for await (const event of rigel) show(event)
 */
export function connect<Events extends EventTypes = EventTypes, Filters extends FilterTypes = FilterTypes>(
  options: TypedOptions<ConnectOptions, NoInfer<Events>, NoInfer<Filters>> = {},
): Rigel<Events, Filters> {
  return toRigel<Events, Filters>(new Connection(options))
}
