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

/** Limit of publishers that are remembered. The one that has not published for the longest time is forgotten: mostly its budget is full again. */
const MAX_PUBLISHERS = 10_000

export class PublishBudget {
  readonly #limits: PublishLimits
  /** The publisher that has published last is the last. */
  readonly #buckets = new Map<string, EventBucket>()
  /** The bucket that was moved last: it is at the end of #buckets already. */
  #last: EventBucket | undefined

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
    const bucket = known ?? { events: eventsPerSecond, bytes: bytesPerSecond, atMs: nowMs }
    const seconds = Math.max(0, nowMs - bucket.atMs) / 1_000
    bucket.events = Math.min(eventsPerSecond, bucket.events + seconds * eventsPerSecond)
    bucket.bytes = Math.min(bytesPerSecond, bucket.bytes + seconds * bytesPerSecond)
    bucket.atMs = nowMs
    if (this.#last !== bucket) this.#moveToEnd(publisher, bucket)
    return bucket
  }

  /** Moves the publisher's bucket behind all others, or makes room for it. */
  #moveToEnd(publisher: string, bucket: EventBucket): void {
    if (!this.#buckets.delete(publisher) && this.#buckets.size >= MAX_PUBLISHERS) {
      const [oldest = ''] = this.#buckets.keys()
      this.#buckets.delete(oldest)
    }
    this.#buckets.set(publisher, bucket)
    this.#last = bucket
  }
}

function isUsedUp({ bytes, events }: EventBucket): boolean {
  return events <= 0 || bytes <= 0
}
