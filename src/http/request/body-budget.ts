// How much memory bodies of requests may take while they are read, in one isolate of 128 MB: many slow senders would fill it, each
// within the limit of its body. What is counted is what is held, not what is declared. Pure. One per isolate, for request-bodies.ts. The
// runtime may end a request at any await: what is counted expires.

/** A body up to this size of a declared length is read at once, without a timer, if few others are. */
export const SMALL_BYTES = 16_384
const MAX_BYTES = 24 * 1_048_576
/** Bodies that are small so far have this by themselves: a few large ones cannot keep events out. */
const MAX_BYTES_OF_SMALL = 4 * 1_048_576
/** Of one address. Otherwise it could keep all others out. */
const MAX_BYTES_OF_CLIENT = 12 * 1_048_576
/** So many small bodies are read without a timer: 4 MiB that are not in MAX_BYTES. */
const MAX_UNTIMED = 256
/** A small body that takes longer is taken for one that the runtime has ended. */
const UNTIMED_TTL_MS = 3_600_000
/** Without bytes for so long, a body is given up. */
export const STALL_MS = 10_000
/** So is one that is not complete after so long. */
export const MAX_READ_MS = 60_000
/** A body that has been given up is not counted, if the runtime has ended its request. */
const READ_TTL_MS = STALL_MS + 5_000

/** A body that is being read, as the budget counts it. */
export interface CountedBody {
  /** What clients are told apart by, null if they cannot be. */
  readonly client: string | null
  bytes: number
  /** When bytes came last, in milliseconds since the epoch. */
  arrivedMs: number
}

export class BodyBudget {
  readonly #counted = new Set<CountedBody>()
  /** Small bodies that are read without a timer, in the order in which they have begun. */
  readonly #untimed = new Set<{ readonly begunMs: number }>()

  /** Whether the body may take `bytes` altogether. If so, they are counted. */
  hold(body: CountedBody, bytes: number, nowMs: number): boolean {
    let [all, own] = [bytes, bytes]
    for (const other of this.#counted) {
      if (other === body) continue
      if (other.arrivedMs < nowMs - READ_TTL_MS) this.#counted.delete(other)
      else {
        all += other.bytes
        if (other.client === body.client) own += other.bytes
      }
    }
    if (all > (bytes <= SMALL_BYTES ? MAX_BYTES : MAX_BYTES - MAX_BYTES_OF_SMALL)) return false
    if (body.client !== null && own > MAX_BYTES_OF_CLIENT) return false
    body.bytes = bytes
    this.#counted.add(body)
    return true
  }

  /** To be called when the body has been read, or has been given up. */
  end(body: CountedBody): void {
    this.#counted.delete(body)
  }

  /** Returns a key for `endUntimed`, or undefined: then the small body is to be counted and timed as others are. */
  beginUntimed(nowMs: number): object | undefined {
    if (this.#untimed.size >= MAX_UNTIMED) {
      for (const one of this.#untimed) {
        if (one.begunMs >= nowMs - UNTIMED_TTL_MS) return undefined
        this.#untimed.delete(one)
      }
    }
    const one = { begunMs: nowMs }
    this.#untimed.add(one)
    return one
  }

  endUntimed(key: object): void {
    this.#untimed.delete(key as { readonly begunMs: number })
  }
}
