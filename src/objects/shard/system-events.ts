// The events that Rigel itself sends on a connection: RIG's, as CloudEvents of a configured version.
import { stringifyScalars } from '../../core/scalar.ts'
import type { StoredEvent } from '../../core/events/stored-event.ts'
import type { Close } from '../../core/close-codes.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { TableRule } from '../../core/tables/table-rule.ts'
import type { ShardContext } from './shard-context.ts'

export interface SystemEvent {
  readonly type: string
  readonly json: string
}

export interface EventEnvelope {
  readonly id: string
  readonly nowMs: number
  /** CloudEvents version of Rigel's own events. */
  readonly specversion: '1.0' | '0.2' | '0.1'
}

/** The envelope of one event that is sent now. */
export function envelope(context: Pick<ShardContext, 'config' | 'now' | 'uuid'>): EventEnvelope {
  const { ownEventsSpecversion: specversion } = context.config
  return { id: context.uuid(), nowMs: context.now(), specversion }
}

interface Created {
  readonly connectionToken: string
  /** The user that the connection belongs to. */
  readonly user: string | null
  readonly lastEventId: string
  /** Whether all events since the client's position will come. Null if it gave no position. */
  readonly recovered: boolean | null
  /** Where a client that asked by time begins; null: it did not. */
  readonly since: { readonly completeSinceMs: number | null } | null
}

/** The first event on every connection. All but `connection_token` are Rigel's additions to RIG's data. */
export function connectionCreated(head: EventEnvelope, created: Created): SystemEvent {
  return ownEvent(head, 'rig.connection.create', {
    connection_token: created.connectionToken,
    user: created.user,
    last_event_id: created.lastEventId,
    ...(created.recovered === null ? {} : { recovered: created.recovered }),
    ...(created.since === null ? {} : { complete_since: toTime(created.since.completeSinceMs) }),
  })
}

/**
 * Says that a set of subscriptions is in force: the client gets every matching event from now on. The extension attribute
 * `recovered` tells a client that resumed before it subscribed whether it gets the matching events that it missed too.
 */
export function subscriptionsSet(
  head: EventEnvelope,
  subscriptions: readonly Subscription[],
  recovered: boolean | null = null,
): SystemEvent {
  return toEvent(
    head,
    'rig.subscriptions_set',
    stringifyScalars(subscriptions),
    recovered === null ? {} : { recovered },
  )
}

/** RIG's, from a branch that was never merged. */
export function metadataSet(head: EventEnvelope, metadata: object): SystemEvent {
  return toEvent(head, 'rig.metadata_set', stringifyScalars(metadata))
}

/** Says that the connection ends with its token unless the client sends a new token of the same user by PUT. */
export function tokenExpires(head: EventEnvelope, endsAtMs: number, path: string): SystemEvent {
  const data = { expires_at: new Date(endsAtMs).toISOString(), renew: { method: 'PUT', path } }
  return ownEvent(head, 'rig.token_expires', data)
}

/** Says that the client has been sent everything up to offsets that it asked about. */
export function offsetsPassed(head: EventEnvelope, offsets: string, ref: string | undefined): SystemEvent {
  return ownEvent(head, 'rig.passed', { offsets, ...(ref === undefined ? {} : { ref }) })
}

/** Keeps a WebSocket with plain frames alive in proxies, and tells its client the position of the log. */
export function heartbeat(head: EventEnvelope, lastEventId: string): SystemEvent {
  return ownEvent(head, 'rig.heartbeat', { last_event_id: lastEventId })
}

/** RIG's, sent before an SSE stream ends whose session was revoked. */
export function sessionKilled(head: EventEnvelope): SystemEvent {
  return ownEvent(head, 'rig.session_killed', undefined)
}

/** The last event on a stream that Rigel ends: it has the code and reason of a WebSocket's close frame. */
export function connectionClosed(head: EventEnvelope, close: Close): SystemEvent {
  return ownEvent(head, 'rig.connection.close', close)
}

/**
 * Says that the table of a type begins: what the client has of it does not count any more. Rows follow. `rule`: absent, there is no
 * table any more.
 */
export function tableReset(head: EventEnvelope, type: string, rule?: Pick<TableRule, 'key'>): SystemEvent {
  const key = rule === undefined ? {} : { key_attribute: rule.key === 'record' ? 'partitionkey' : 'subject' }
  return ownEvent(head, 'rig.table.reset', { type, ...key })
}

/** Says that the client has been sent the whole table. */
export function tableComplete(head: EventEnvelope, type: string, rows: number): SystemEvent {
  return ownEvent(head, 'rig.table.complete', { type, rows })
}

/** Says that there is no table of the type: the client gets events only, and no removals. */
export function tableFailed(head: EventEnvelope, type: string, reason: string): SystemEvent {
  return ownEvent(head, 'rig.table.failed', { type, reason })
}

/** Returns it as an event of the log, for a client that gets it among others. */
export function toStored({ json, type }: SystemEvent, seq: number): StoredEvent {
  return { seq, type, json, fields: {}, recipients: null, connectionId: null }
}

/** RFC 3339, or null. */
export function toTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** `data` has no numbers that a double does not hold: to look for them costs more than to write the event. */
function ownEvent(head: EventEnvelope, type: string, data: object | undefined): SystemEvent {
  return toEvent(head, type, data === undefined ? undefined : JSON.stringify(data))
}

/** `data`: JSON; undefined: the event has none. */
function toEvent(head: EventEnvelope, type: string, data: string | undefined, extensions: object = {}): SystemEvent {
  const time = new Date(head.nowMs).toISOString()
  const attributes = JSON.stringify({ ...ATTRIBUTES[head.specversion](type, head.id, time), ...extensions })
  return { type, json: data === undefined ? attributes : `${attributes.slice(0, -1)},"data":${data}}` }
}

/** RIG 3 sent 0.2 with these members only; RIG 2 began with 0.1, which has other names. */
const ATTRIBUTES = {
  '1.0': (type: string, id: string, time: string) => {
    return { specversion: '1.0', id, source: 'rig', type, time, datacontenttype: 'application/json' }
  },
  '0.2': (type: string, id: string, time: string) => ({ specversion: '0.2', id, source: 'rig', type, time }),
  '0.1': (type: string, id: string, time: string) => {
    return { cloudEventsVersion: '0.1', eventID: id, source: 'rig', eventType: type, eventTime: time }
  },
}
