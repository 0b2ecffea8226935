// The events Rigel itself sends on a connection: RIG's, as CloudEvents 1.0. Pure: time and ids come in.
import type { Close } from '../core/reasons.ts'
import type { Subscription } from '../core/subscription.ts'

export interface OwnEvent {
  readonly type: string
  readonly json: string
}

export interface Stamp {
  readonly id: string
  readonly nowMs: number
}

export interface Created {
  readonly connectionToken: string
  readonly lastEventId: string
  /** Whether everything since the position that the client gave will come; null: it gave none. */
  readonly recovered: boolean | null
}

/** First on every connection. `last_event_id` and `recovered` are Rigel's additions to RIG's data. */
export function connectionCreated(stamp: Stamp, created: Created): OwnEvent {
  return ownEvent(stamp, 'rig.connection.create', {
    connection_token: created.connectionToken,
    last_event_id: created.lastEventId,
    ...(created.recovered === null ? {} : { recovered: created.recovered }),
  })
}

/**
 * The set is effective: whatever is produced from now on and passes it, comes. `recovered`, an extension attribute: for
 * a client that came back and had not said yet what it wants, whether what it missed of this set comes as well.
 */
export function subscriptionsSet(
  stamp: Stamp,
  subscriptions: readonly Subscription[],
  recovered: boolean | null = null,
): OwnEvent {
  return ownEvent(stamp, 'rig.subscriptions_set', subscriptions, recovered === null ? {} : { recovered })
}

/** Last on an SSE stream that Rigel ends: what WebSocket says by its close frame. */
export function connectionClosed(stamp: Stamp, close: Close): OwnEvent {
  return ownEvent(stamp, 'rig.connection.close', close)
}

function ownEvent(stamp: Stamp, type: string, data: unknown, extensions: object = {}): OwnEvent {
  const time = new Date(stamp.nowMs).toISOString()
  const event = {
    specversion: '1.0',
    id: stamp.id,
    source: 'rig',
    type,
    time,
    ...extensions,
    datacontenttype: 'application/json',
    data,
  }
  return { type, json: JSON.stringify(event) }
}
