// Paces what clients may do at a shard without a connection, or to open one: each payer has a bucket that fills steadily. After a burst
// one waits for its turn; when the turn is more than a second away, it is refused. In memory: a shard that has slept begins with full
// buckets.

/** What a payer may do: `burst` at once, and so many each second. */
export interface PayerRate {
  readonly payer: string
  readonly burst: number
  readonly perSecond: number
}

const MAX_WAIT_MS = 1_000
/** Waits are multiples of this: few, as Timers wants, and short, so that few are due together. */
const STEP_MS = 50
/** Limit of refusals of one payer that wait. Further ones come at once. */
const MAX_REFUSING = 10
/** Limit of payers. One that has paid nothing for a burst's time is as one that is not known. */
const MAX_PAYERS = 10_000

export interface PayerPaceDeps {
  nowMs(): number
  after(ms: number, act: () => void): void
}

/** `left` is below zero by the number of those that wait. */
interface PayerBucket {
  left: number
  atMs: number
  refusing: number
}

export class PayerPace {
  readonly #deps: PayerPaceDeps
  /** The one that has paid last is the last. */
  readonly #buckets = new Map<string, PayerBucket>()

  constructor(deps: PayerPaceDeps) {
    this.#deps = deps
  }

  /** Resolves to true when it is the payer's turn, or to false if it is refused. */
  async enter(rate: PayerRate): Promise<boolean> {
    const bucket = this.#refill(rate)
    const waitMs = Math.ceil(((1 - bucket.left) / rate.perSecond) * (1_000 / STEP_MS)) * STEP_MS
    if (waitMs > MAX_WAIT_MS) return this.#refuse(bucket)
    bucket.left -= 1
    if (waitMs > 0) await this.#wait(waitMs)
    return true
  }

  /** Late, so that a client that waits for its answers becomes slow. */
  async #refuse(bucket: PayerBucket): Promise<false> {
    if (bucket.refusing >= MAX_REFUSING) return false
    bucket.refusing += 1
    await this.#wait(MAX_WAIT_MS)
    bucket.refusing -= 1
    return false
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.after(ms, resolve))
  }

  #refill({ burst, payer, perSecond }: PayerRate): PayerBucket {
    const nowMs = this.#deps.nowMs()
    const known = this.#buckets.get(payer)
    const bucket = known ?? { left: burst, atMs: nowMs, refusing: 0 }
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, nowMs - bucket.atMs) / 1_000) * perSecond)
    bucket.atMs = nowMs
    this.#buckets.delete(payer)
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined && this.#buckets.size >= MAX_PAYERS) this.#buckets.delete(oldest)
    this.#buckets.set(payer, bucket)
    return bucket
  }
}
