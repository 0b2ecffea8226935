// A shard's copies of presence topics, by topic. A copy is kept for a minute after the last member of this shard has left, so that
// a client that joins and leaves again and again does not have the whole topic read, sent and encoded each time. Pure.
import type { PresenceDiff, Presences } from '../../../../rpc/presence.ts'
import { PresenceCopy } from './presence-copy.ts'

const KEPT_MS = 60_000
/** Copies without a member here that are kept. One of 10,000 members takes some megabytes. */
const MAX_KEPT = 4

export interface PresenceCopiesDeps {
  /** Returns the presences of a topic, which sends its diffs to this shard from then on. `askedAtMs` grows with each call. */
  watch(topic: string, askedAtMs: number): Promise<Presences>
  /** Tells the topic that its diffs are of no use any more, unless it was watched again after `askedAtMs`. */
  unwatch(topic: string, askedAtMs: number): void
  nowMs(): number
}

export class PresenceCopies {
  readonly #deps: PresenceCopiesDeps
  readonly #copies = new Map<string, Promise<PresenceCopy>>()
  /** Topic → diffs that came while its copy is being fetched. */
  readonly #early = new Map<string, (readonly [diff: PresenceDiff, version: number])[]>()
  /** Topic without a member here → when its copy is dropped, in milliseconds since the epoch. The earliest is first. */
  readonly #kept = new Map<string, number>()
  #askedAtMs = 0

  constructor(deps: PresenceCopiesDeps) {
    this.#deps = deps
  }

  /** True if the topic's diffs are of use. */
  has(topic: string): boolean {
    return this.#copies.has(topic)
  }

  /** Returns the copy for a new member, fetched if there is none. */
  of(topic: string): Promise<PresenceCopy> {
    this.#kept.delete(topic)
    const existing = this.#copies.get(topic)
    if (existing !== undefined) return existing
    const fetched = this.#fetch(topic)
    this.#copies.set(topic, fetched)
    void fetched.catch(() => this.#copies.delete(topic))
    return fetched
  }

  /** The last member has left. Returns when the copy is dropped, or undefined if there is none. */
  keep(topic: string): number | undefined {
    if (!this.#copies.has(topic)) return undefined
    const untilMs = this.#deps.nowMs() + KEPT_MS
    this.#kept.delete(topic)
    this.#kept.set(topic, untilMs)
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size > MAX_KEPT) this.#end(oldest)
    return untilMs
  }

  /** Drops copies that were kept for long enough. Returns when the next one is due, or null. */
  sweep(nowMs: number): number | null {
    for (const [topic, untilMs] of this.#kept) {
      if (untilMs > nowMs) return untilMs
      this.#end(topic)
    }
    return null
  }

  /** A copy that has missed a diff is fetched again by the next member. */
  async apply(topic: string, diff: PresenceDiff, version: number): Promise<void> {
    const early = this.#early.get(topic)
    if (early !== undefined) {
      early.push([diff, version])
      return
    }
    const copy = this.#copies.get(topic)
    if (copy === undefined) return
    const isComplete = (await copy).apply(diff, version)
    if (!isComplete && this.#copies.get(topic) === copy) this.#drop(topic)
  }

  async #fetch(topic: string): Promise<PresenceCopy> {
    const early: (readonly [diff: PresenceDiff, version: number])[] = []
    this.#early.set(topic, early)
    try {
      this.#askedAtMs = Math.max(this.#askedAtMs + 1, this.#deps.nowMs())
      const copy = new PresenceCopy(await this.#deps.watch(topic, this.#askedAtMs))
      for (const [diff, version] of early) copy.apply(diff, version)
      return copy
    } finally {
      this.#early.delete(topic)
    }
  }

  /** Nobody here needs the topic: without this, topics that clients make up would be stored for ever. */
  #end(topic: string): void {
    this.#drop(topic)
    this.#deps.unwatch(topic, this.#askedAtMs)
  }

  #drop(topic: string): void {
    this.#copies.delete(topic)
    this.#kept.delete(topic)
  }
}
