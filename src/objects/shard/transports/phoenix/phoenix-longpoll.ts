// Phoenix by long-polling: sessions in memory. One that is gone, by crash or deploy, is answered 410; the library then
// rejoins its channels, with their positions, and nothing is lost.
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import type { ConnectionRegistry } from '../../connection-registry.ts'
import type { History } from '../../log/replay.ts'
import type { Opening } from '../../connection-state.ts'
import type { ConnectionLifecycle } from '../../connection-lifecycle.ts'
import { decodeMessage, spokenVsn } from './message.ts'
import { Outbox, type PollResult } from './outbox.ts'
import { PhoenixConnection } from './phoenix-connection.ts'
import type { Keeper, PhoenixHub } from './phoenix-hub.ts'

/** As Phoenix itself; the library waits twice as long. */
const POLL_WAIT_MS = 10_000
/** A client that polls is back within this time after an answer. */
const IDLE_MS = 30_000

export interface PhoenixSessionsDeps {
  readonly waitingChars: number
  readonly history: History
  readonly connections: ConnectionRegistry
  readonly roster: ConnectionLifecycle
  readonly hub: PhoenixHub
  readonly now: () => number
}

export class PhoenixSessions implements Keeper {
  readonly #deps: PhoenixSessionsDeps
  readonly #outboxes = new Map<string, Outbox>()

  constructor(deps: PhoenixSessionsDeps) {
    this.#deps = deps
  }

  /** Answers the connection's id. */
  open(connect: ConnectRequest, opening: Opening): string {
    const { history, hub, now, roster, waitingChars } = this.#deps
    const { connectionId } = opening.filter
    const outbox = new Outbox(waitingChars, now())
    this.#outboxes.set(connectionId, outbox)
    const connection = new PhoenixConnection({
      joiner: { connectionId, principal: connect.principal, hello: connect.phoenix ?? { vsn: 1, roles: [], meta: {} } },
      openedAtMs: opening.owner.openedAtMs,
      endsAtMs: opening.endsAtMs,
      endsByToken: opening.endsByToken,
      history,
      wire: outbox,
      onForgotten: (gone) => {
        hub.forgotten(gone)
        outbox.close()
        this.#outboxes.delete(connectionId)
      },
    })
    roster.add(connection)
    return connectionId
  }

  async poll(connectionId: string, cursor: number): Promise<PollResult> {
    const outbox = this.#outboxes.get(connectionId)
    if (outbox === undefined) return { kind: 'gone' }
    outbox.seenAtMs = this.#deps.now()
    const taken = await outbox.take(cursor, POLL_WAIT_MS)
    outbox.seenAtMs = this.#deps.now()
    if (taken.kind === 'gone') this.#forget(connectionId)
    return taken
  }

  /** False: the session is gone. A message that is none ends it. */
  async push(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    const connection = this.#deps.connections.get(connectionId)
    if (!(connection instanceof PhoenixConnection)) return false
    for (const frame of frames) {
      connection.vsn = spokenVsn(frame)
      const message = decodeMessage(connection.vsn, frame)
      if (message === undefined) {
        this.#deps.roster.end(connection, { kind: 'protocol_violation', message: 'Not a message of Phoenix Channels.' })
        return false
      }
      await this.#deps.hub.handle(connection, message, this)
    }
    return true
  }

  /** Ends those that are polled no more. Answers when the next one would be due; null: there are none. */
  sweep(nowMs: number): number | null {
    let nextMs: number | null = null
    for (const [connectionId, outbox] of this.#outboxes) {
      const dueAtMs = (outbox.isAsked ? nowMs : outbox.seenAtMs) + IDLE_MS
      if (dueAtMs <= nowMs) this.#forget(connectionId)
      else nextMs = Math.min(nextMs ?? Infinity, dueAtMs)
    }
    return nextMs
  }

  /** In memory, as the session itself. */
  joined(): void {}
  left(): void {}

  #forget(connectionId: string): void {
    const connection = this.#deps.connections.get(connectionId)
    if (connection !== undefined) this.#deps.roster.forget(connection)
  }
}
