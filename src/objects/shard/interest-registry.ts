// Which event types this shard wants, and since when: SQL for `interests` and `directory_life`. A type is declared to the
// Directory before a subscription to it is confirmed, and withdrawn when no client can resume with it any more. Called by
// admission, subscribe and maintenance; UserShard.append asks it which events to store.
import { logIncident } from '../../telemetry/incident-log.ts'
import type { RigelError } from '../../core/errors.ts'
import { patternsOf } from '../../core/events/event-type-pattern.ts'
import { InterestDeclarer, type InterestDeclarerDeps } from '../../core/interest/declarer.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import { userOfWatchTopic } from '../../core/subscriptions/watch-topic.ts'
import { heapBytesOf } from '../../core/text.ts'

/** When the limit leaves no space for a new type, unwanted types are forgotten down to this part of the limit. */
const ROOM = 0.9

export interface InterestRegistryDeps {
  /** See InterestDeclarerDeps. */
  readonly declare: InterestDeclarerDeps['declare']
  /** Distinct types that the shard may want; a long one counts as several. */
  readonly limit: number
  /** True if a connection subscribes to the type. */
  isWanted: (type: string) => boolean
  /** Makes positions before and after differ. Returns the head after it. */
  advanceLog(): number
  nowMs(): number
  inBackground(work: Promise<void>): void
}

/** A type with more text than this counts as several: what is known of a type takes 500 bytes, and its text up to 2.6 times itself. */
const TEXT_BYTES = 100

/** As how many types it counts. */
function weightOf(type: string): number {
  return Math.max(1, Math.ceil(heapBytesOf(type) / TEXT_BYTES))
}

function weightOfAll(types: Iterable<string>): number {
  let sum = 0
  for (const type of types) sum += weightOf(type)
  return sum
}

/** A connection is there this long after its types were registered, or was not opened. */
const OPENING_MS = 10_000

interface InterestRow extends Record<string, SqlStorageValue> {
  type: string
  since_seq: number
  idle_since_ms: number | null
  /** Milliseconds since the epoch. Null: a version before stored the row. */
  since_ms: number | null
}

export class InterestRegistry {
  readonly #sql: SqlStorage
  readonly #deps: InterestRegistryDeps
  /** Type, or watch topic of a user → the position from which the log holds every event of it. Equals the table at every await. */
  readonly #since = new Map<string, number>()
  /** The time of the same moment. */
  readonly #sinceMs = new Map<string, number | null>()
  /** Types that are being declared, with the number of callers that wait. */
  readonly #adding = new Map<string, number>()
  /** When known types were asked for last, in milliseconds since the epoch: their connection may not be there yet. */
  readonly #askedAtMs = new Map<string, number>()
  readonly #declarer: InterestDeclarer
  /** Of the types in `#since`. */
  #weight = 0

  constructor(sql: SqlStorage, deps: InterestRegistryDeps) {
    this.#sql = sql
    this.#deps = deps
    sql.exec(`
      CREATE TABLE IF NOT EXISTS interests (type TEXT PRIMARY KEY, since_seq INTEGER NOT NULL, idle_since_ms INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS directory_life (id INTEGER PRIMARY KEY, life TEXT NOT NULL);
    `)
    const columns = sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('interests')`).toArray()
    if (!columns.some(({ name }) => name === 'since_ms')) sql.exec('ALTER TABLE interests ADD COLUMN since_ms INTEGER')
    for (const row of sql.exec<InterestRow>('SELECT * FROM interests').toArray()) {
      this.#since.set(row.type, row.since_seq)
      this.#sinceMs.set(row.type, row.since_ms)
    }
    this.#weight = weightOfAll(this.#since.keys())
    const epoch = sql.exec<{ epoch: string }>('SELECT life AS epoch FROM directory_life').toArray()[0]?.epoch ?? null
    this.#declarer = new InterestDeclarer(epoch, {
      declare: deps.declare,
      confirmed: { types: () => this.#types(), users: () => this.#users() },
      setEpoch: (known) => sql.exec('INSERT OR REPLACE INTO directory_life VALUES (0, ?)', known),
      nowMs: () => deps.nowMs(),
    })
  }

  /** True if the shard stores events of this type that have no recipients. Followers know it by a bitmap only. */
  wants(type: string): boolean {
    return patternsOf(type).some((pattern) => this.#since.has(pattern))
  }

  /** Returns the position from which the log has the type's events; undefined: the shard does not want it. */
  sinceOf(type: string): number | undefined {
    return this.#since.get(type)
  }

  /** Returns the position and the time from which the log has the type's events; undefined: the shard does not want it. */
  sinceMsOf(type: string): { readonly seq: number; readonly ms: number | null } | undefined {
    const seq = this.#since.get(type)
    return seq === undefined ? undefined : { seq, ms: this.#sinceMs.get(type) ?? null }
  }

  /** True if the log holds every event of these types after `seq`. To be asked before `register`, which makes new ones known. */
  coversSince(subscriptions: readonly Subscription[], seq: number): boolean {
    return subscriptions.every(({ eventType }) => (this.#since.get(eventType) ?? Infinity) <= seq)
  }

  /** Resolves when every follower sends events of these types. Rejects if a follower or the Directory could not be told. */
  async register(subscriptions: readonly Subscription[]): Promise<Result<null, RigelError>> {
    const missing = this.#missing(subscriptions)
    const known = subscriptions.filter(({ eventType }) => this.#since.has(eventType))
    this.#askedFor(known)
    if (missing.length === 0) return ok(null)
    if (!this.#makeRoom(weightOfAll(missing))) return fail({ kind: 'too_many_event_types', limit: this.#deps.limit })
    this.#askedFor(subscriptions)
    // Stored before anything is awaited: a withdrawal must not take back their bits.
    this.#store(missing.filter((type) => userOfWatchTopic(type) === undefined && this.#declarer.isConfirmed(type)))
    const unconfirmed = this.#missing(subscriptions)
    if (unconfirmed.length > 0) await this.#declare(unconfirmed)
    return ok(null)
  }

  /** The epoch of the Directory that has what the shard wants. Null: nothing was declared, and nothing is confirmed. */
  get declaredTo(): string | null {
    // A version before epochs stored types without one.
    return this.#declarer.epoch ?? (this.#since.size > 0 ? '' : null)
  }

  /** A Directory that lost its storage asks for everything. */
  declareAnew(epoch: string): Promise<void> {
    return this.#declarer.declareAnew(epoch)
  }

  /**
   * Withdraws types that have had no subscriber for `lingerMs`: a subscriber who left may come back until then. Returns
   * whether types without a subscriber are left.
   */
  async withdrawUnused(wanted: (type: string) => boolean, nowMs: number, lingerMs: number): Promise<boolean> {
    const lost: string[] = []
    let idle = 0
    for (const row of this.#sql.exec<InterestRow>('SELECT * FROM interests').toArray()) {
      const isWanted = wanted(row.type) || this.#isBeingAsked(row.type)
      const idleSinceMs = isWanted ? null : (row.idle_since_ms ?? nowMs)
      if (idleSinceMs !== row.idle_since_ms) {
        this.#sql.exec('UPDATE interests SET idle_since_ms = ? WHERE type = ?', idleSinceMs, row.type)
      }
      if (idleSinceMs === null) continue
      if (nowMs - idleSinceMs >= lingerMs) lost.push(row.type)
      else idle += 1
    }
    for (const [type, atMs] of this.#askedAtMs) if (nowMs - atMs >= OPENING_MS) this.#askedAtMs.delete(type)
    if (lost.length > 0) await this.#withdraw(lost)
    return idle > 0
  }

  async #declare(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.#adding.set(topic, (this.#adding.get(topic) ?? 0) + 1)
    const users = topics.map(userOfWatchTopic).filter((user) => user !== undefined)
    const types = topics.filter((topic) => userOfWatchTopic(topic) === undefined)
    try {
      await this.#declarer.add(types, users)
      this.#store(topics.filter((topic) => !this.#since.has(topic)))
    } finally {
      for (const topic of topics) {
        const left = (this.#adding.get(topic) ?? 1) - 1
        if (left === 0) this.#adding.delete(topic)
        if (left === 0 && !this.#since.has(topic)) this.#askedAtMs.delete(topic)
        if (left > 0) this.#adding.set(topic, left)
      }
    }
  }

  #store(topics: readonly string[]): void {
    if (topics.length === 0) return
    const since = this.#deps.advanceLog()
    const nowMs = this.#deps.nowMs()
    for (const topic of topics) {
      const sql = 'INSERT OR REPLACE INTO interests (type, since_seq, since_ms) VALUES (?, ?, ?)'
      this.#sql.exec(sql, topic, since, nowMs)
      if (!this.#since.has(topic)) this.#weight += weightOf(topic)
      this.#since.set(topic, since)
      this.#sinceMs.set(topic, nowMs)
    }
  }

  /** Forgets the types here before the Directory does: a crash in between loses only events that no client wants. */
  #withdraw(topics: readonly string[]): Promise<void> {
    for (const topic of topics) {
      this.#sql.exec('DELETE FROM interests WHERE type = ?', topic)
      if (this.#since.delete(topic)) this.#weight -= weightOf(topic)
      this.#sinceMs.delete(topic)
      this.#askedAtMs.delete(topic)
    }
    const users = topics.map(userOfWatchTopic).filter((user) => user !== undefined)
    return this.#declarer.withdraw(users, [...this.#types(), ...this.#adding.keys()])
  }

  /** If the limit is reached, forgets types without a connected subscriber, the longest unwanted first. */
  #makeRoom(weight: number): boolean {
    const { isWanted, limit } = this.#deps
    const used = this.#weight + weightOfAll(this.#adding.keys()) + weight
    if (used <= limit) return true
    const unwanted = this.#sql
      .exec<InterestRow>('SELECT * FROM interests ORDER BY COALESCE(idle_since_ms, ?), since_seq', this.#deps.nowMs())
      .toArray()
      .filter(({ type }) => !isWanted(type) && !this.#isBeingAsked(type))
    const forgotten: string[] = []
    let left = used
    for (const { type } of unwanted) {
      if (left <= Math.floor(limit * ROOM)) break
      forgotten.push(type)
      left -= weightOf(type)
    }
    if (left > limit) return false
    const warn = (error: unknown) => logIncident('interest not withdrawn', {}, { error: String(error) })
    this.#deps.inBackground(this.#withdraw(forgotten).catch(warn))
    return true
  }

  #isBeingAsked(topic: string): boolean {
    return this.#adding.has(topic) || this.#deps.nowMs() - (this.#askedAtMs.get(topic) ?? -Infinity) < OPENING_MS
  }

  #askedFor(subscriptions: readonly Subscription[]): void {
    const nowMs = this.#deps.nowMs()
    for (const { eventType } of subscriptions) this.#askedAtMs.set(eventType, nowMs)
  }

  #missing(subscriptions: readonly Subscription[]): readonly string[] {
    return [...new Set(subscriptions.map(({ eventType }) => eventType))].filter((type) => !this.#since.has(type))
  }

  #types(): readonly string[] {
    return [...this.#since.keys()].filter((topic) => userOfWatchTopic(topic) === undefined)
  }

  #users(): readonly string[] {
    return [...this.#since.keys()].map(userOfWatchTopic).filter((user) => user !== undefined)
  }
}
