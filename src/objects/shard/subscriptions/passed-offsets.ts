// Finds out when a connection has passed offsets: a page that has published an event, or written to a service, waits until
// its stream has everything up to there. A shard is sent only what concerns it, so its followers are asked how far all
// shards have what they routed. Called for requests of clients, on every transport.
import { parseAsOf, topicOfPartition, type AsOf } from '../../../core/as-of/as-of.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { logIncident } from '../../../telemetry/incident-log.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { Connection } from '../connections/connection.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { Timers } from '../timers.ts'
import type { ChangeRateLimiter } from './change-rate-limiter.ts'
import type { JoinFactsReader } from './join-facts.ts'

/** Each question calls followers. One connection may ask this many at the same time. */
const MAX_QUESTIONS = 8

/** Followers are asked again after these milliseconds; nearly always they are there at the first time. */
const ASK_AGAIN_MS = [20, 50, 100, 200, 500, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000] as const

const NOT_PASSED: RigelError = {
  kind: 'unavailable',
  message: 'The stream has not passed these offsets yet: ask again.',
}

interface PassedOffsetsDeps {
  readonly facts: Pick<JoinFactsReader, 'unpassed'>
  readonly connections: Pick<ConnectionRegistry, 'get'>
  readonly log: Pick<CommittedLog, 'settle' | 'committedSeq'>
  readonly timers: Timers
  /** A question calls followers, and costs the connection as much as a change of as many subscriptions. */
  readonly changeRate: Pick<ChangeRateLimiter, 'mayChange' | 'waitToRefuse'>
  /** Whether a topic is followed. */
  readonly isFollowed: (topic: string) => boolean
}

export class PassedOffsets {
  readonly #deps: PassedOffsetsDeps
  readonly #asking = new WeakMap<Connection, number>()

  constructor(deps: PassedOffsetsDeps) {
    this.#deps = deps
  }

  /** Resolves when the connection has been sent everything up to these offsets. `text`: as `parseAsOf` takes it. */
  async wait(connectionId: string, text: string): Promise<Result<Connection, RigelError>> {
    const connection = this.#deps.connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    const offsets = this.#parse(text)
    if (!offsets.ok) return offsets
    const { changeRate } = this.#deps
    if (!changeRate.mayChange(connection, offsets.value.size)) {
      await changeRate.waitToRefuse(connection)
      return fail({ kind: 'rate_limited' })
    }
    const asking = this.#asking.get(connection) ?? 0
    if (asking >= MAX_QUESTIONS) return fail({ kind: 'rate_limited' })
    this.#asking.set(connection, asking + 1)
    try {
      return await this.#wait(connection, offsets.value)
    } finally {
      this.#asking.set(connection, (this.#asking.get(connection) ?? 1) - 1)
    }
  }

  #parse(text: string): Result<AsOf, RigelError> {
    const parsed = parseAsOf(text, 'offsets')
    if (!parsed.ok) return fail({ kind: 'bad_request', message: parsed.reason })
    const unknown = [...parsed.value.keys()].map(topicOfPartition).find((topic) => !this.#deps.isFollowed(topic))
    if (unknown === undefined) return parsed
    return fail({ kind: 'bad_request', message: `offsets names ${unknown.slice(0, 60)}, a topic that is not followed` })
  }

  async #wait(connection: Connection, offsets: AsOf): Promise<Result<Connection, RigelError>> {
    const { connections, timers } = this.#deps
    const progress = { unpassed: offsets, seq: Infinity }
    for (const waitMs of ASK_AGAIN_MS) {
      if (progress.seq === Infinity) await this.#ask(progress)
      if (connections.get(connection.state.id) !== connection) return fail({ kind: 'connection_gone' })
      if (connection.hasBeenSent(progress.seq)) return ok(connection)
      await new Promise<void>((resolve) => void timers.after(waitMs, resolve))
    }
    return fail(NOT_PASSED)
  }

  /** Finds out the place in the shard's log by which it has everything. A follower that does not answer is asked again. */
  async #ask(progress: { unpassed: AsOf; seq: number }): Promise<void> {
    const { facts, log } = this.#deps
    try {
      progress.unpassed = await facts.unpassed(progress.unpassed)
      if (progress.unpassed.size > 0) return
      await log.settle()
      progress.seq = log.committedSeq
    } catch (error) {
      logIncident('how far a follower is cannot be found out', {}, { error: String(error) })
    }
  }
}
