// Limits how often the client of one connection may change its subscriptions, channels or token. A client above the
// rate is refused after a delay. A connection whose client does not wait for refusals is closed, and the user's next
// connections begin with a small allowance.
import type { ShardContext } from '../shard-context.ts'
import type { Timers } from '../timers.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { Connection } from '../connections/connection.ts'

const SUBSCRIPTIONS_PER_CHANGE = 10

const REFUSAL_WAIT_MS = 1_000
/** Limit of delayed refusals of one connection. */
const MAX_REFUSING = 10

const FLOODED_MS = 60_000
/** Limit of users whose next connections begin with a small allowance. */
const MAX_FLOODED = 1_000

/** `left` is the number of changes that the connection may make at `atMs`. It refills with time. */
type Bucket = { left: number; atMs: number }

export class ChangeRateLimiter {
  readonly #context: ShardContext
  readonly #lifecycle: ConnectionLifecycle
  readonly #timers: Timers
  readonly #buckets = new WeakMap<Connection, Bucket>()
  readonly #refusing = new WeakMap<Connection, number>()
  /** User → time until which new connections begin with a small allowance, in milliseconds since the epoch. */
  readonly #flooded = new Map<string, number>()

  constructor(context: ShardContext, lifecycle: ConnectionLifecycle, timers: Timers) {
    this.#context = context
    this.#lifecycle = lifecycle
    this.#timers = timers
  }

  /**
   * MAX_SUBSCRIPTION_CHANGES_PER_MINUTE, as a bucket that fills steadily: one connection cannot keep a shard busy. A
   * set counts once more for every ten subscriptions in it, because each may be a type that the shard does not follow
   * yet.
   */
  mayChange(connection: Connection, size: number): boolean {
    const cost = 1 + Math.floor(size / SUBSCRIPTIONS_PER_CHANGE)
    const perMinute = this.#context.config.connections.subscriptionChangesPerMinute
    const nowMs = this.#context.now()
    const bucket = this.#buckets.get(connection) ?? { left: this.#firstBudget(connection, perMinute), atMs: nowMs }
    bucket.left = Math.min(perMinute, bucket.left + ((nowMs - bucket.atMs) * perMinute) / 60_000)
    bucket.atMs = nowMs
    this.#buckets.set(connection, bucket)
    if (bucket.left < Math.min(cost, perMinute)) return false
    bucket.left -= cost
    return true
  }

  /**
   * Delays the refusal of a client above its rate, so that a client that waits for responses becomes slow. The number
   * of delayed refusals of a connection is limited.
   */
  async waitToRefuse(connection: Connection): Promise<void> {
    const waiting = this.#refusing.get(connection) ?? 0
    if (waiting >= MAX_REFUSING) return
    this.#refusing.set(connection, waiting + 1)
    await new Promise<void>((resolve) => this.#timers.after(REFUSAL_WAIT_MS, resolve))
    this.#refusing.set(connection, (this.#refusing.get(connection) ?? 1) - 1)
  }

  /**
   * Closes a connection that floods. For a minute the user's next connections begin with an allowance of one change, and
   * are opened at a slow rate.
   */
  endFlooding(connection: Connection): void {
    const { user } = connection.state.owner
    if (this.#flooded.size >= MAX_FLOODED) this.#flooded.clear()
    if (user !== null) this.#flooded.set(user, this.#context.now() + FLOODED_MS)
    this.#lifecycle.end(connection, { kind: 'rate_limited' })
  }

  /** Whether the client sends more changes without waiting for its refusals. */
  isFlooding(connection: Connection): boolean {
    return (this.#refusing.get(connection) ?? 0) >= MAX_REFUSING
  }

  /** Whether a connection of the user was closed for flooding within the last minute. */
  hasFlooded(user: string): boolean {
    return (this.#flooded.get(user) ?? 0) > this.#context.now()
  }

  #firstBudget({ state }: Connection, perMinute: number): number {
    return state.owner.user !== null && this.hasFlooded(state.owner.user) ? 1 : perMinute
  }
}
