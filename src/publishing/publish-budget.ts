// How many events and bytes a publisher may publish per second. Each isolate has one token bucket per publisher: a publisher
// above its rate is refused for a moment, and no other publisher is slowed down. Pure: the clock is an argument.

export interface PublishLimits {
  readonly eventsPerSecond: number
  readonly bytesPerSecond: number
}

/** The rest of a publisher's budget. Below zero after a batch that was larger than the rest. */
interface EventBucket {
  events: number
  bytes: number
  atMs: number
}

/** The most publishers that are remembered. If there are more, all are forgotten and have a full budget again. */
const MAX_PUBLISHERS = 10_000

export class PublishBudget {
  readonly #limits: PublishLimits
  readonly #buckets = new Map<string, EventBucket>()

  constructor(limits: PublishLimits) {
    this.#limits = limits
  }

  /**
   * Returns false if the publisher has used up its budget. A request is taken while anything is left, so that one batch
   * may be larger than the budget of a second; the debt is paid before the next.
   */
  spend(publisher: string, events: number, bytes: number, nowMs: number): boolean {
    const bucket = this.#refill(publisher, nowMs)
    if (isUsedUp(bucket)) return false
    bucket.events -= events
    bucket.bytes -= bytes
    return true
  }

  /** Returns what `spend` would return, and spends nothing. */
  has(publisher: string, nowMs: number): boolean {
    return !isUsedUp(this.#refill(publisher, nowMs))
  }

  #refill(publisher: string, nowMs: number): EventBucket {
    const { eventsPerSecond, bytesPerSecond } = this.#limits
    const known = this.#buckets.get(publisher)
    if (known === undefined) {
      if (this.#buckets.size >= MAX_PUBLISHERS) this.#buckets.clear()
      const bucket = { events: eventsPerSecond, bytes: bytesPerSecond, atMs: nowMs }
      this.#buckets.set(publisher, bucket)
      return bucket
    }
    const seconds = Math.max(0, nowMs - known.atMs) / 1_000
    known.events = Math.min(eventsPerSecond, known.events + seconds * eventsPerSecond)
    known.bytes = Math.min(bytesPerSecond, known.bytes + seconds * bytesPerSecond)
    known.atMs = nowMs
    return known
  }
}

function isUsedUp({ bytes, events }: EventBucket): boolean {
  return events <= 0 || bytes <= 0
}
