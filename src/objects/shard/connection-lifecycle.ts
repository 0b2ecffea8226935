// The lives of a shard's connections, from greeting to end, whatever their transport: what is told, stored, indexed and
// woken for. Who gets which event is connections.ts's, what is written on the wire the transport's.
import { formatConnectionToken } from '../../core/identity/connection-token.ts'
import type { RigelError } from '../../core/errors.ts'
import type { Connection, Owner } from './connection.ts'
import type { ConnectionStore } from './connection-store.ts'
import { dueMs, type ConnectionRegistry } from './connection-registry.ts'
import type { Heartbeat } from './transports/heartbeat.ts'
import type { Opening } from './connection-state.ts'
import {
  connectionCreated,
  subscriptionsSet,
  tokenExpires,
  type SystemEvent,
  type EventEnvelope,
} from './system-events.ts'
import type { CommittedLog } from './log/committed-log.ts'
import { SseConnection } from './transports/sse.ts'

export interface ConnectionLifecycleDeps {
  readonly shard: number
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly log: CommittedLog
  readonly heartbeat: Heartbeat
  /** How long before its token expires a client is told. */
  readonly warningMs: number
  /** Asks for the alarm, at this moment at the latest. */
  readonly wakeBy: (atMs: number) => void
  /** Something happened that leaves things to be tidied up one day. */
  readonly sweepLater: () => void
  readonly stamp: () => EventEnvelope
}

export class ConnectionLifecycle {
  readonly #deps: ConnectionLifecycleDeps

  constructor(deps: ConnectionLifecycleDeps) {
    this.#deps = deps
  }

  /** RIG's order: the create event first, then the subscriptions that are effective. */
  greet(connection: Connection, opening: Opening): void {
    const { log, stamp } = this.#deps
    const created = {
      connectionToken: this.tokenOf(connection),
      lastEventId: log.position(opening.startSeq),
      recovered: opening.recovered,
    }
    this.tell(connection, connectionCreated(stamp(), created))
    this.tell(connection, subscriptionsSet(stamp(), opening.wanted.subscriptions))
  }

  /** A long-polling session has nothing to write to: what it is told stands in the log, addressed to it. */
  tell(connection: Connection, event: SystemEvent): void {
    if (connection.transport !== 'longpolling') return connection.tell(event)
    this.#deps.log.appendOwn(connection.filter.connectionId, event, this.#deps.stamp().nowMs)
  }

  add(connection: Connection): void {
    const { connections, heartbeat, wakeBy, sweepLater } = this.#deps
    connections.add(connection)
    if (connection instanceof SseConnection) heartbeat.add(connection)
    wakeBy(dueMs(connection, this.#deps.warningMs))
    if (connection.transport === 'longpolling') sweepLater()
  }

  /** For good. Forgetting what is gone already does nothing: a connection can end from both sides at once. */
  forget(connection: Connection): void {
    const { connections, heartbeat, store, sweepLater } = this.#deps
    connections.remove(connection)
    if (connection instanceof SseConnection) heartbeat.delete(connection)
    else if (connection.transport !== 'phoenix') store.delete(connection.filter.connectionId)
    connection.forgotten?.()
    sweepLater()
  }

  /** Something about who it is of has changed. */
  own(connection: Connection, owner: Owner): void {
    const { connections, store } = this.#deps
    connections.own(connection, owner)
    if (connection.transport !== 'sse') store.setOwner(connection.filter.connectionId, owner)
  }

  /** Tells those whose token is about to expire, and where to bring a new one. Answers whether anybody was told. */
  warn(nowMs: number): boolean {
    const { connections, stamp, warningMs } = this.#deps
    const due = connections.toWarnAt(nowMs, warningMs)
    for (const connection of due) {
      connection.warned = true
      const path = `/_rig/v1/connection/${connection.transport}/${this.tokenOf(connection)}/token`
      this.tell(connection, tokenExpires(stamp(), connection.endsAtMs, path))
    }
    return due.length > 0
  }

  end(connection: Connection, reason: RigelError): void {
    connection.end(reason)
    this.forget(connection)
  }

  tokenOf(connection: Connection): string {
    return formatConnectionToken({ shard: this.#deps.shard, connectionId: connection.filter.connectionId })
  }
}
