// The tables that a long-polling session is being sent, in pages. A response may be lost: its client then polls again from where
// it was, and gets the same page. The mark of a page's position says which page its client has. Used by longpoll-session.ts.
import { withMark } from '../../../../core/identity/position.ts'
import type { Filter } from '../../../../core/subscriptions/filter.ts'
import type { PollAnswer } from '../../../../rpc/shard.ts'
import type { TableReader } from '../../tables/table-reader.ts'

/** Where a client polls from. */
export interface PollPlace {
  readonly seq: number
  /** The mark of its position; null: it has polled for the first time. */
  readonly mark: string | null
}

interface TablePagesDeps {
  readonly maxChars: number
  readonly committedSeq: () => number
  readonly filter: () => Filter
  readonly position: (seq: number) => string
}

export class TablePages {
  readonly #reader: TableReader
  readonly #deps: TablePagesDeps
  /** The number of the newest page, from 1. */
  #number = 0
  #newest: PollAnswer | undefined
  /** The poll that the newest page answered. */
  #polledFrom: PollPlace | undefined

  constructor(reader: TableReader, deps: TablePagesDeps) {
    this.#reader = reader
    this.#deps = deps
  }

  /** A page has been sent. */
  get hasBegun(): boolean {
    return this.#newest !== undefined
  }

  /** Returns the newest page for a client that has not got it, or the next one; undefined: its client is at no page. */
  pageFor(from: PollPlace): PollAnswer | undefined {
    if (this.#newest === undefined) return undefined
    if (from.seq === this.#polledFrom?.seq && from.mark === this.#polledFrom.mark) return this.#newest
    const hasNewest = from.seq === this.#reader.untilSeq && from.mark === markOfPage(this.#number)
    return hasNewest ? this.next(from) : undefined
  }

  /** `from`: the poll that it answers. */
  next(from: PollPlace): PollAnswer {
    const { committedSeq, filter, maxChars, position } = this.#deps
    const seq = this.#reader.begin(committedSeq())
    this.#number += 1
    this.#polledFrom = from
    const events: string[] = []
    for (let chars = 0; chars < maxChars && !this.#reader.isRead;) {
      const texts = this.#reader.next(filter()).flatMap((part) => part.events.map(({ json }) => json))
      events.push(...texts)
      chars += texts.reduce((sum, { length }) => sum + length, 0)
    }
    // Only now: the position of a client that has all tables has another mark.
    const lastEventId = this.#reader.isRead ? position(seq) : withMark(position(seq), markOfPage(this.#number))
    this.#newest = { lastEventId, events, recovered: true }
    return this.#newest
  }
}

function markOfPage(page: number): string {
  return `p${page}`
}
