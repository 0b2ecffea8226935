// The long-polling sessions of a shard: opened, found again after sleep or crash, and polled.
import type { RigelError } from '../../../core/errors.ts'
import { fail, type Result } from '../../../core/result.ts'
import type { ConnectionStore, StoredConnection } from '../connection-store.ts'
import type { ConnectionRegistry } from '../connection-registry.ts'
import type { PollAnswer } from '../../../rpc/shard.ts'
import { LongpollingSession } from './longpoll.ts'
import { termsOf, toStored, type Opening } from '../connection-state.ts'
import type { ConnectionLifecycle } from '../connection-lifecycle.ts'
import type { CommittedLog } from '../log/committed-log.ts'

export interface PollingDeps {
  readonly waitMs: number
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly log: CommittedLog
  readonly roster: ConnectionLifecycle
  readonly now: () => number
}

export class Polling {
  readonly #deps: PollingDeps

  constructor(deps: PollingDeps) {
    this.#deps = deps
  }

  /** Resolves to the connection token once what greets the client stands in the log. */
  async open(opening: Opening): Promise<string> {
    const { log, roster, store } = this.#deps
    const stored = toStored('longpolling', opening)
    const session = this.#create(stored)
    store.put(stored)
    roster.greet(session, opening)
    roster.add(session)
    await log.settle()
    return roster.tokenOf(session)
  }

  restore(stored: readonly StoredConnection[]): void {
    for (const one of stored) this.#deps.connections.add(this.#create(one))
  }

  /** Answers when there are events after `lastEventId` (null: from the session's start), or with none after the configured wait. */
  async poll(connectionId: string, lastEventId: string | null): Promise<Result<PollAnswer, RigelError>> {
    const { connections, log, now } = this.#deps
    const session = connections.get(connectionId)
    if (!(session instanceof LongpollingSession)) return fail({ kind: 'connection_gone' })
    session.seenAtMs = now()
    const seq = log.resumable(lastEventId ?? log.position(session.startSeq))
    const polled = await session.poll(seq ?? log.committedSeq, seq !== undefined)
    session.seenAtMs = now()
    return polled
  }

  #create(stored: StoredConnection): LongpollingSession {
    const { log, now, waitMs } = this.#deps
    return new LongpollingSession({ terms: termsOf(stored), startSeq: stored.startSeq, history: log, waitMs }, now())
  }
}
