// A long-polling session: its cursor is in the client's hand, so nothing is kept per poll. A poll reads the log from
// where the client says; with nothing there, it waits for the next event that passes, or for its time to run out.
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { PollAnswer } from '../../../rpc/shard.ts'
import type { Connection } from '../connection.ts'
import { readNextChunk, type DeliveredRange, type History } from '../log/replay.ts'
import { Lasting } from '../lasting.ts'
import type { Terms } from '../connection-state.ts'

/** What one poll answers at most, so that a long history comes in several answers. */
const MAX_ANSWER_CHARS = 262_144

/** What a poll answers at most that reads once more what it had skipped: it has to come in one answer. */
const MAX_REWIND_CHARS = 16 * MAX_ANSWER_CHARS

/** Polls of one session that wait at a time. Browsers open no more connections than this to one host (HTTP/1.1). */
const MAX_WAITING_POLLS = 6

/** Polls from before `atSeq` read from `seq` on, without what passed the filter `before`. */
interface Rewind {
  readonly seq: number
  readonly atSeq: number
  readonly before: Filter
}

export interface LongpollingOptions {
  readonly terms: Terms
  readonly startSeq: number
  readonly history: History
  readonly waitMs: number
}

export class LongpollingSession extends Lasting implements Connection {
  readonly transport = 'longpolling'
  readonly startSeq: number
  /** When it was last heard of, in milliseconds since the epoch. */
  seenAtMs: number
  readonly #options: LongpollingOptions
  /** Ends a poll that waits, oldest first. Tabs share a session by its cookies: each of them waits. */
  readonly #waiting = new Set<(reason: RigelError | null) => void>()
  /** Kept until the client polls from after it: an answer may be lost on its way. */
  #rewind: Rewind | undefined

  constructor(options: LongpollingOptions, nowMs: number) {
    super(options.terms)
    this.#options = options
    this.startSeq = options.startSeq
    this.seenAtMs = nowMs
  }

  isIdle(nowMs: number, idleMs: number): boolean {
    return this.#waiting.size === 0 && nowMs - this.seenAtMs >= idleMs
  }

  /** `seq`: to read on from; `recovered`: what to say of it. */
  async poll(seq: number, recovered: boolean): Promise<Result<PollAnswer, RigelError>> {
    const rewind = this.#rewind
    if (rewind !== undefined && seq <= rewind.atSeq) return ok(this.#readAgain(seq, recovered, rewind))
    this.#rewind = undefined
    const found = this.#read(seq, MAX_ANSWER_CHARS)
    if (found.events.length > 0 || !recovered) return ok({ ...found, recovered })
    const reason = await this.#nextEvent()
    if (reason !== null) return fail(reason)
    return ok({ ...this.#read(seq, MAX_ANSWER_CHARS), recovered })
  }

  deliver(): void {
    this.#wake(null)
  }

  /** The position is in the client's hand, so it is the next poll that reads from `seq`. */
  rewind(seq: number, before: Filter): void {
    this.#rewind = { seq, before, atSeq: this.#options.history.committedSeq }
    this.#wake(null)
  }

  /** Nothing: a session's own events stand in the log, addressed to it. */
  tell(): void {}

  end(reason: RigelError): void {
    this.#wake(reason)
  }

  /** Resolves to null when the poll is to read again, or to why the session ended. */
  #nextEvent(): Promise<RigelError | null> {
    const [oldest] = this.#waiting
    if (this.#waiting.size >= MAX_WAITING_POLLS) oldest?.(null)
    return new Promise((resolve) => {
      const wake = (reason: RigelError | null) => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve(reason)
      }
      const timer = setTimeout(() => wake(null), this.#options.waitMs)
      this.#waiting.add(wake)
    })
  }

  #wake(reason: RigelError | null): void {
    for (const wake of this.#waiting) wake(reason)
  }

  /** What was skipped comes before what follows; if it is too much, the client is told of the gap. */
  #readAgain(seq: number, recovered: boolean, rewind: Rewind): PollAnswer {
    const again = this.#read(rewind.seq, MAX_REWIND_CHARS, { filter: rewind.before, untilSeq: seq })
    if (again.seq > rewind.atSeq) return { ...again, recovered }
    return { ...this.#read(Math.max(seq, rewind.atSeq), MAX_ANSWER_CHARS), recovered: false }
  }

  #read(
    from: number,
    maxChars: number,
    had?: DeliveredRange,
  ): Omit<PollAnswer, 'recovered'> & { readonly seq: number } {
    const { history } = this.#options
    const events: string[] = []
    let seq = from
    for (let chars = 0; chars < maxChars;) {
      const chunk = readNextChunk(history, this.filter, seq, had)
      if (chunk.kind === 'trimmed') break
      seq = chunk.seq
      for (const { json } of chunk.events) {
        events.push(json)
        chars += json.length
      }
      if (chunk.atEnd) break
    }
    return { lastEventId: history.position(seq), events, seq }
  }
}
