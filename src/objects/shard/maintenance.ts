// What a shard does at its alarm: ends what is due, and forgets what nobody comes back to. Only what happened asks for
// it: a shard where nothing happens is not woken.
import type { ConnectionRegistry } from './connection-registry.ts'
import type { InterestRegistry } from './interest-registry.ts'
import { LongpollingSession } from './transports/longpoll.ts'
import type { ConnectionLifecycle } from './connection-lifecycle.ts'
import type { CommittedLog } from './log/committed-log.ts'
import { WebSocketConnection } from './transports/websocket.ts'

export interface MaintenanceDeps {
  readonly shard: number
  readonly longpollingIdleMs: number
  /** How long an interest outlives its last subscriber. */
  readonly lingerMs: number
  readonly connections: ConnectionRegistry
  readonly roster: ConnectionLifecycle
  readonly interests: InterestRegistry
  readonly log: CommittedLog
}

export class Maintenance {
  readonly #deps: MaintenanceDeps
  #markedSeq = 0

  constructor(deps: MaintenanceDeps) {
    this.#deps = deps
  }

  /** Answers whether there is something left to sweep another time. */
  async sweep(nowMs: number): Promise<boolean> {
    this.#endDue(nowMs)
    if (this.#deps.roster.warn(nowMs)) await this.#deps.log.settle()
    const sessionsLeft = this.#endIdleSessions(nowMs)
    this.#markPositions()
    return (await this.#withdrawInterests(nowMs)) || sessionsLeft
  }

  #endDue(nowMs: number): void {
    const { connections, roster } = this.#deps
    for (const connection of connections.dueAt(nowMs)) {
      roster.end(connection, { kind: connection.endsByToken ? 'token_expired' : 'lifetime_reached' })
    }
  }

  /** Answers whether there are sessions left. */
  #endIdleSessions(nowMs: number): boolean {
    const { connections, longpollingIdleMs, roster } = this.#deps
    const sessions = [...connections.all()].filter((connection) => connection instanceof LongpollingSession)
    const idle = sessions.filter((session) => session.isIdle(nowMs, longpollingIdleMs))
    for (const session of idle) roster.forget(session)
    return sessions.length > idle.length
  }

  /** Positions of quiet connections must not grow older than the log. */
  #markPositions(): void {
    const { connections, log } = this.#deps
    if (this.#markedSeq === log.committedSeq) return
    this.#markedSeq = log.committedSeq
    for (const connection of connections.all()) if (connection instanceof WebSocketConnection) connection.mark()
  }

  /** Answers whether there are interests left that nobody wants. The Directory may be out of reach: then it is tried again. */
  async #withdrawInterests(nowMs: number): Promise<boolean> {
    const { connections, interests, lingerMs, shard } = this.#deps
    try {
      return await interests.sweep((type) => connections.wantsType(type), nowMs, lingerMs)
    } catch (error) {
      console.warn({ message: 'interest not withdrawn', shard, error: String(error) })
      return true
    }
  }
}
