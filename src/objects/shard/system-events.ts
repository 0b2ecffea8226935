// The events Rigel itself sends on a connection: RIG's, as CloudEvents of a configured version. Pure: time and ids come in.
import type { Close } from '../../core/errors.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'

export interface SystemEvent {
  readonly type: string
  readonly json: string
}

export interface EventEnvelope {
  readonly id: string
  readonly nowMs: number
  /** Which CloudEvents version Rigel's own events are of. */
  readonly specversion: '1.0' | '0.2' | '0.1'
}

export interface Created {
  readonly connectionToken: string
  readonly lastEventId: string
  /** Whether everything since the position that the client gave will come; null: it gave none. */
  readonly recovered: boolean | null
}

/** First on every connection. `last_event_id` and `recovered` are Rigel's additions to RIG's data. */
export function connectionCreated(stamp: EventEnvelope, created: Created): SystemEvent {
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
  stamp: EventEnvelope,
  subscriptions: readonly Subscription[],
  recovered: boolean | null = null,
): SystemEvent {
  return ownEvent(stamp, 'rig.subscriptions_set', subscriptions, recovered === null ? {} : { recovered })
}

/** RIG's, of a branch that was never merged. */
export function metadataSet(stamp: EventEnvelope, metadata: object): SystemEvent {
  return ownEvent(stamp, 'rig.metadata_set', metadata)
}

/** The connection ends when its token does, unless a new one of the same user is brought by PUT. */
export function tokenExpires(stamp: EventEnvelope, endsAtMs: number, path: string): SystemEvent {
  const data = { expires_at: new Date(endsAtMs).toISOString(), renew: { method: 'PUT', path } }
  return ownEvent(stamp, 'rig.token_expires', data)
}

/** RIG's, before an SSE stream whose session was revoked ends. */
export function sessionKilled(stamp: EventEnvelope): SystemEvent {
  return ownEvent(stamp, 'rig.session_killed', undefined)
}

/** Last on an SSE stream that Rigel ends: what WebSocket says by its close frame. */
export function connectionClosed(stamp: EventEnvelope, close: Close): SystemEvent {
  return ownEvent(stamp, 'rig.connection.close', close)
}

function ownEvent(stamp: EventEnvelope, type: string, data: unknown, extensions: object = {}): SystemEvent {
  const time = new Date(stamp.nowMs).toISOString()
  const event = { ...ATTRIBUTES[stamp.specversion](type, stamp.id, time), ...extensions, data }
  return { type, json: JSON.stringify(event) }
}

/** RIG 3 sent 0.2, with these members only; RIG 2 began with 0.1, whose names are others. */
const ATTRIBUTES = {
  '1.0': (type: string, id: string, time: string) => {
    return { specversion: '1.0', id, source: 'rig', type, time, datacontenttype: 'application/json' }
  },
  '0.2': (type: string, id: string, time: string) => ({ specversion: '0.2', id, source: 'rig', type, time }),
  '0.1': (type: string, id: string, time: string) => {
    return { cloudEventsVersion: '0.1', eventID: id, source: 'rig', eventType: type, eventTime: time }
  },
}
