// A shard's copies of presence topics, by topic. A copy is kept for a minute after the last member of this shard has left, so that
// a client that joins and leaves again and again does not have the whole topic read, sent and encoded each time. All copies together
// have a limit: beyond it those that were not used for the longest time are dropped, with members or without, and a later member has
// the topic read again. Pure.
import { SerialQueue } from '../../../../../core/serial-queue.ts'
import { withTimeout } from '../../../../../core/time/timeout.ts'
import type { PresenceDiff, Presences } from '../../../../../rpc/presence.ts'
import { PresenceCopy } from './presence-copy.ts'

const KEPT_MS = 60_000
/** Copies without a member here that are kept. One of 10,000 members takes some megabytes. */
const MAX_KEPT = 4
/** Limit of all copies together. One that is larger by itself is kept alone. */
const MAX_BYTES = 8_388_608
/** Topics are read one after the other, because each may be large: none may hold up the others. */
const READ_TIMEOUT_MS = 5_000
/** Limit of diffs, of 64 KiB each, that wait for the copy that they belong to. */
const MAX_EARLY = 64

export interface PresenceCopiesDeps {
  /** Returns the presences of a topic, which sends its diffs to this shard from then on. `askedAtMs` grows with each call. */
  watch(topic: string, askedAtMs: number): Promise<Presences>
  /** Tells the topic that its diffs are of no use any more, unless it was watched again after `askedAtMs`. */
  unwatch(topic: string, askedAtMs: number): void
  nowMs(): number
  readonly maxBytes?: number
}

type EarlyDiffs = (readonly [diff: PresenceDiff, version: number])[]

export class PresenceCopies {
  readonly #deps: PresenceCopiesDeps
  readonly #copies = new Map<string, Promise<PresenceCopy>>()
  /** Topic → the copy that has been read. The copy that was used last is the last. */
  readonly #read = new Map<string, PresenceCopy>()
  readonly #reading = new SerialQueue()
  /** Topic → diffs that came while its copy is being fetched. */
  readonly #early = new Map<string, EarlyDiffs>()
  /** Topic without a member here → when its copy is dropped, in milliseconds since the epoch. The earliest is first. */
  readonly #kept = new Map<string, number>()
  #askedAtMs = 0
  #bytes = 0

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
    if (existing === undefined) return this.#fetch(topic)
    const read = this.#read.get(topic)
    if (read !== undefined && this.#read.delete(topic)) this.#read.set(topic, read)
    return existing
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
      if (early.length <= MAX_EARLY) early.push([diff, version])
      return
    }
    const fetched = this.#copies.get(topic)
    if (fetched === undefined) return
    const copy = await fetched
    // It may have been dropped meanwhile.
    if (this.#read.get(topic) !== copy) return
    const before = copy.bytes
    const isComplete = copy.apply(diff, version)
    this.#bytes += copy.bytes - before
    if (isComplete) this.#shrink()
    else this.#drop(topic)
  }

  #fetch(topic: string): Promise<PresenceCopy> {
    const fetched: Promise<PresenceCopy> = this.#reading.run(async () => {
      const copy = await this.#readNow(topic)
      if (this.#copies.get(topic) === fetched) this.#add(topic, copy)
      return copy
    })
    this.#copies.set(topic, fetched)
    void fetched.catch(() => {
      if (this.#copies.get(topic) === fetched) this.#copies.delete(topic)
    })
    return fetched
  }

  async #readNow(topic: string): Promise<PresenceCopy> {
    const early: EarlyDiffs = []
    this.#early.set(topic, early)
    try {
      this.#askedAtMs = Math.max(this.#askedAtMs + 1, this.#deps.nowMs())
      const copy = new PresenceCopy(await withTimeout(this.#deps.watch(topic, this.#askedAtMs), READ_TIMEOUT_MS))
      if (early.length > MAX_EARLY) throw new Error('too many changes of presence meanwhile')
      for (const [diff, version] of early) copy.apply(diff, version)
      return copy
    } finally {
      this.#early.delete(topic)
    }
  }

  #add(topic: string, copy: PresenceCopy): void {
    this.#read.set(topic, copy)
    this.#bytes += copy.bytes
    this.#shrink()
  }

  #shrink(): void {
    for (const topic of this.#read.keys()) {
      if (this.#bytes <= (this.#deps.maxBytes ?? MAX_BYTES) || this.#read.size === 1) return
      if (this.#kept.has(topic)) this.#end(topic)
      else this.#drop(topic)
    }
  }

  /** Nobody here needs the topic: without this, topics that clients make up would be stored for ever. */
  #end(topic: string): void {
    this.#drop(topic)
    this.#deps.unwatch(topic, this.#askedAtMs)
  }

  #drop(topic: string): void {
    const copy = this.#read.get(topic)
    this.#bytes -= copy?.bytes ?? 0
    copy?.drop()
    this.#read.delete(topic)
    this.#copies.delete(topic)
    this.#kept.delete(topic)
  }
}
