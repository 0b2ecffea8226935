// What happens to a connection between greeting and end, on every transport: its events, index, storage and alarms. The
// ConnectionRegistry chooses the connections that get an event, the transport writes it.
import { formatConnectionToken } from '../../../core/identity/connection-token.ts'
import type { RigelError } from '../../../core/errors.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import { stateTypesOf } from '../../../core/tables/table-rule.ts'
import type { ConnectionHistory } from '../explain/connection-history.ts'
import type { Connection } from './connection.ts'
import { dueMs, toWarnAt } from './connection-deadlines.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { ConnectionState, Opening } from './connection-state.ts'
import { tablesAfter } from './table-view.ts'
import type { ClientPositions } from '../positions/client-positions.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { ShardContext } from '../shard-context.ts'
import type { ShardMetrics } from '../shard-metrics.ts'
import {
  connectionCreated,
  envelope,
  subscriptionsSet,
  tableFailed,
  tableReset,
  tokenExpires,
} from '../system-events.ts'

/** Time after a change by which idle sessions, unused interests and old positions are looked at, at the latest. */
const SWEEP_AFTER_MS = 900_000

export class ConnectionLifecycle {
  readonly #context: ShardContext
  readonly #connections: ConnectionRegistry
  readonly #log: CommittedLog
  readonly #sweepAfterMs: number
  readonly #metrics: Pick<ShardMetrics, 'opened' | 'ended'>
  readonly #history: ConnectionHistory
  readonly #serveTables: (connection: Connection) => void
  readonly #positions: Pick<ClientPositions, 'of'>
  /** Why Rigel ends a connection that is being ended. */
  readonly #reasons = new WeakMap<Connection, RigelError>()

  constructor(
    context: ShardContext,
    connections: ConnectionRegistry,
    log: CommittedLog,
    metrics: Pick<ShardMetrics, 'opened' | 'ended'>,
    history: ConnectionHistory,
    serveTables: (connection: Connection) => void,
    positions: Pick<ClientPositions, 'of'>,
  ) {
    this.#positions = positions
    this.#serveTables = serveTables
    this.#context = context
    this.#metrics = metrics
    this.#history = history
    this.#connections = connections
    this.#log = log
    // Often enough for the shortest time that a session or an interest may last.
    const { connections: limits, log: retention } = context.config
    this.#sweepAfterMs = Math.min(SWEEP_AFTER_MS, limits.longpollingIdleMs / 2, retention.retentionMs / 2)
  }

  /** RIG's order: the create event, then the subscriptions that are in force. */
  greet(connection: Connection, { oldShardReplay, recovered, rewind, since }: Opening): void {
    const { id, owner, startSeq, subscriptions } = connection.state
    this.#history.opened(connection, rewind?.seq ?? startSeq, recovered)
    const lastEventId = this.#positions.of(connection.state, startSeq)
    const created = { connectionToken: this.tokenOf(id), user: owner.user, lastEventId, recovered, since }
    const inForce = subscriptionsSet(envelope(this.#context), subscriptions)
    connection.greet([connectionCreated(envelope(this.#context), created), inForce])
    if (rewind !== null) connection.rewind(rewind.seq, rewind.before)
    if (oldShardReplay !== null) connection.replayOldShard(oldShardReplay)
    this.#serveTables(connection)
  }

  add(connection: Connection): void {
    this.#connections.add(connection)
    this.#metrics.opened(connection.state)
    connection.save()
    this.#context.wakeBy(dueMs(connection, this.#context.config.jwt.warningMs))
  }

  /** Removes a connection for good. Does nothing if it was removed before. */
  remove(connection: Connection): void {
    if (!this.#connections.remove(connection)) return
    const reason = this.#reasons.get(connection) ?? null
    this.#metrics.ended(connection.state, reason)
    this.#history.ended(connection, reason)
    connection.removed()
    this.sweepLater()
  }

  /** Does nothing if the connection was removed. */
  update(connection: Connection, changes: Partial<ConnectionState>): void {
    const before = connection.state
    const after = { ...before, ...changes }
    const mayDiffer = changes.subscriptions !== undefined || 'grant' in changes || 'lateGrant' in changes
    const hasTables = mayDiffer && changes.tables === undefined
    const state = hasTables ? { ...after, tables: tablesAfter(before, after) } : after
    if (!this.#connections.update(connection, state)) return
    if (changes.subscriptions !== undefined) this.#history.refiltered(connection, this.#log.committedSeq)
    connection.save()
    if (before.tables !== undefined && changes.subscriptions !== undefined) this.#endTables(connection, before)
    if (mayDiffer) this.#serveTables(connection)
  }

  /** A client must not keep rows of a subscription that has ended, be it with its token: no change or removal comes any more. */
  #endTables(connection: Connection, before: ConnectionState): void {
    const wanted = stateTypesOf(connection.state.subscriptions)
    const ended = stateTypesOf(before.subscriptions).filter((type) => !wanted.includes(type))
    for (const type of ended) {
      connection.sendOfTable(type, tableReset(envelope(this.#context), type))
      connection.sendOfTable(type, tableFailed(envelope(this.#context), type, 'its subscription has ended'))
    }
  }

  /** Replaces the filter of a connection whose subscriptions are not in its state. Events after `sinceSeq` go through it. */
  refilter(connection: Connection, filter: Filter, sinceSeq: number): void {
    this.#connections.refilter(connection, filter)
    this.#history.refiltered(connection, sinceSeq)
  }

  /** Reads the log again from `seq`, for what the filter `before` did not pass. */
  rewind(connection: Connection, seq: number, before: Filter): void {
    this.#history.refiltered(connection, seq)
    connection.rewind(seq, before)
  }

  /** Ends a connection for which too much waits. Its client comes back with its position, and has lost nothing. */
  endSlow(connection: Connection): void {
    const { waitingBytes } = this.#context.config.connections
    this.end(connection, { kind: 'slow_reader', limitBytes: waitingBytes })
  }

  end(connection: Connection, reason: RigelError): void {
    this.#reasons.set(connection, reason)
    connection.end(reason)
    this.remove(connection)
  }

  /** Tells clients whose token is about to expire where to send a new one. Returns whether there were any. */
  warnExpiring(nowMs: number): boolean {
    const { warningMs } = this.#context.config.jwt
    const due = toWarnAt(this.#connections.all(), nowMs, warningMs)
    for (const connection of due) {
      connection.isWarned = true
      const { endsAtMs, id, transport } = connection.state
      const path = `/_rig/v1/connection/${transport}/${this.tokenOf(id)}/token`
      connection.send(tokenExpires(envelope(this.#context), endsAtMs, path))
    }
    return due.length > 0
  }

  /** Schedules maintenance. Called after changes that leave something to clean up. */
  sweepLater(): void {
    this.#context.wakeBy(this.#context.now() + this.#sweepAfterMs)
  }

  tokenOf(connectionId: string): string {
    return formatConnectionToken({ shard: this.#context.shard, connectionId })
  }
}
