// What a shard does at its alarm: ends connections that are due, warns clients whose token expires, and withdraws interests
// that no client has. It is only scheduled after activity: an idle shard is not woken.
import { logIncident } from '../../telemetry/incident-log.ts'
import { dueAt, nextDueMs } from './connections/connection-deadlines.ts'
import type { ConnectionLifecycle } from './connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from './connections/connection-registry.ts'
import type { LeavingConnections } from './connections/leaving-connections.ts'
import type { InterestRegistry } from './interest-registry.ts'
import type { CommittedLog } from './log/committed-log.ts'
import type { LogStore } from './log/log-store.ts'
import { withdrawEnded } from './subscriptions/withdraw-ended.ts'
import type { RevocationList } from './revocation-list.ts'
import type { ShardContext } from './shard-context.ts'
import type { LiveTables } from './tables/live-tables.ts'
import type { Transport } from './transports/transport.ts'

interface MaintenanceParts {
  readonly connections: ConnectionRegistry
  readonly lifecycle: ConnectionLifecycle
  readonly interests: InterestRegistry
  readonly revocations: RevocationList
  readonly log: CommittedLog
  readonly leaving: LeavingConnections
  readonly tables: Pick<LiveTables, 'has' | 'sweep'>
  readonly transports: readonly Transport[]
  readonly logStore: Pick<LogStore, 'bytesAfter' | 'setToldSeq' | 'toldSeq' | 'trim'>
}

export class Maintenance {
  readonly #context: ShardContext
  readonly #parts: MaintenanceParts

  constructor(context: ShardContext, parts: MaintenanceParts) {
    this.#context = context
    this.#parts = parts
  }

  /**
   * Call after an append. By time, maintenance comes before the position of a quiet client is older than the log. If the
   * log is full before that time, maintenance comes when half of it is after that position.
   */
  appended(): void {
    const { connections, lifecycle, logStore } = this.#parts
    if (connections.size === 0) return
    lifecycle.sweepLater()
    const { config, now, wakeBy } = this.#context
    if (logStore.bytesAfter(logStore.toldSeq) > config.log.retentionBytes / 2) wakeBy(now())
  }

  async sweep(): Promise<void> {
    const { connections, lifecycle, log, logStore, revocations } = this.#parts
    const nowMs = this.#context.now()
    revocations.removeExpired(nowMs)
    logStore.trim(nowMs)
    this.#endDue(nowMs)
    const nextLeavingMs = this.#parts.leaving.endSome(nowMs)
    if (nextLeavingMs !== null) this.#context.wakeBy(nextLeavingMs)
    const isWarned = lifecycle.warnExpiring(nowMs)
    if (withdrawEnded(this.#context, this.#parts, nowMs) || isWarned) await log.settle()
    this.#sweepTransports(nowMs)
    this.#sendPositions()
    if (this.#parts.tables.sweep(nowMs)) lifecycle.sweepLater()
    if (await this.#withdrawInterests(nowMs)) lifecycle.sweepLater()
    if (connections.size > 0) this.#context.wakeBy(nextDueMs(connections.all(), this.#context.config.jwt.warningMs))
  }

  #endDue(nowMs: number): void {
    const { connections, lifecycle } = this.#parts
    for (const connection of dueAt(connections.all(), nowMs)) {
      lifecycle.end(connection, { kind: connection.state.endsByToken ? 'token_expired' : 'lifetime_reached' })
    }
  }

  #sweepTransports(nowMs: number): void {
    for (const transport of this.#parts.transports) {
      const dueMs = transport.sweep(nowMs)
      if (dueMs !== null) this.#context.wakeBy(dueMs)
    }
  }

  /** The position of a connection on which nothing happens must not grow older than the log. */
  #sendPositions(): void {
    const { connections, log, logStore } = this.#parts
    if (logStore.toldSeq === log.committedSeq) return
    logStore.setToldSeq(log.committedSeq)
    for (const connection of connections.all()) connection.sendPosition()
  }

  /** Returns whether unused interests are left. If the Directory is out of reach, they are withdrawn another time. */
  async #withdrawInterests(nowMs: number): Promise<boolean> {
    const { connections, interests, tables } = this.#parts
    const lingerMs = this.#context.config.log.retentionMs
    try {
      // A table that is kept for clients that may come back goes on.
      const isWanted = (type: string) => connections.wantsType(type) || tables.has(type)
      return await interests.withdrawUnused(isWanted, nowMs, lingerMs)
    } catch (error) {
      logIncident('interest not withdrawn', {}, { shard: this.#context.shard, error: String(error) })
      return true
    }
  }
}
