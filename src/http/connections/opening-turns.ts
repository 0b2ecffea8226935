// Decides when a request may open a connection. After a deploy or a crash all clients come back at once, more than the isolate can
// serve. Up to a number of openings run at the same time. Others wait before anything costly is done for them: tokens, calls. Who
// would wait too long is told when to come back, so that those who are refused return at the rate at which clients are served. Requests
// that are no openings never wait. One per isolate. Each request waits by timers of its own, because on Workers no request may await
// another's promise, and the runtime may end a request at any await: what is counted expires.

/** Openings that run at the same time: a core spends about 0.1 s on them, and other requests wait no longer behind them. */
const FREE_RUNNING = 256
/** So many run after a request has waited, if its timer was in time: then most of their time is the shard's, which may be far away. */
const MAX_RUNNING = 512
/** An opening beyond a limit is answered after a second: one client could keep all places taken with few requests. */
const MAX_RUNNING_OF_CLIENT = 256
/** If the timer was later, fewer run, in proportion. */
const BUSY_LAG_MS = 150
const MIN_RUNNING = 64
/**
 * An opening that has run for longer is not counted: it waits for a check service, a key set or a shard, or its client has left. Then
 * the isolate has nothing to do for it, and others would wait in vain.
 */
const RUNNING_TTL_MS = 2_000
/** One that waits and is later than this is not counted: its client has left. */
const LATE_TTL_MS = 2_000
/** A request that waits holds some kilobytes. One client may have half of the places, or it could keep all others out. */
const MAX_WAITING = 1_000
const MAX_WAITING_OF_CLIENT = 500
const MAX_WAIT_MS = 5_000
const MIN_STEP_MS = 20
const MAX_STEP_MS = 250
/** A request that waits looks again after this time for each one before it. */
const SERVED_EVERY_MS = 2
/** Clients that are refused come back at this rate. Of more than can be served then, some are refused again. */
const BACK_EVERY_MS = 1
const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

export interface OpeningTurnsDeps {
  /** Milliseconds since the epoch. */
  nowMs(): number
  wait(ms: number): Promise<void>
}

interface Running {
  readonly client: string | null
  /** Milliseconds since the epoch. */
  readonly begunMs: number
}

interface Waiting {
  readonly client: string | null
  /** Grows by one with each that waits. */
  readonly number: number
  /** When its timer is due. */
  dueMs: number
}

export class OpeningTurns {
  readonly #deps: OpeningTurnsDeps
  /** By request, in the order in which they have begun. */
  readonly #running = new Map<object, Running>()
  /** In the order in which they have come. */
  readonly #waiting = new Set<Waiting>()
  #count = 0
  /** Clients that were refused have been told to come back up to this time. */
  #promisedMs = 0

  constructor(deps: OpeningTurnsDeps) {
    this.#deps = deps
  }

  /**
   * Resolves when the connection may be opened, or to the milliseconds after which its client is to come back. `client`: what clients
   * are told apart by, null if they cannot be.
   */
  async enter(request: object, client: string | null): Promise<number | undefined> {
    // A request that waits looks only now and then. If little runs, this one need not wait behind it.
    if (!this.#mayRun(this.#waiting.size > 0 ? MIN_RUNNING : FREE_RUNNING, client)) {
      const refusedMs = await this.#wait(client)
      if (refusedMs !== undefined) return refusedMs
    }
    this.#running.set(request, { client, begunMs: this.#deps.nowMs() })
    return undefined
  }

  /** To be called when the request is answered, whether or not it has entered. */
  end(request: object): void {
    this.#running.delete(request)
  }

  async #wait(client: string | null): Promise<number | undefined> {
    const arrivedMs = this.#deps.nowMs()
    this.#forgetLate(arrivedMs)
    if (this.#waiting.size >= MAX_WAITING || hasShare(this.#waiting.values(), client, MAX_WAITING_OF_CLIENT))
      return this.#refuse(arrivedMs)
    this.#count += 1
    const entry: Waiting = { client, number: this.#count, dueMs: arrivedMs }
    this.#waiting.add(entry)
    for (;;) {
      const stepMs = this.#stepOf(entry)
      entry.dueMs = this.#deps.nowMs() + stepMs
      await this.#deps.wait(stepMs)
      const nowMs = this.#deps.nowMs()
      const isTurn = this.#mayRun(runningAt(nowMs - entry.dueMs), client)
      const isLate = nowMs - arrivedMs > MAX_WAIT_MS
      if (!isTurn && !isLate) continue
      this.#waiting.delete(entry)
      return isTurn ? undefined : this.#refuse(nowMs)
    }
  }

  /** About when it is its turn. */
  #stepOf({ number }: Waiting): number {
    const [oldest] = this.#waiting
    const ahead = number - (oldest?.number ?? number)
    return Math.ceil(Math.min(MAX_STEP_MS, Math.max(MIN_STEP_MS, ahead * SERVED_EVERY_MS)))
  }

  /** Behind those who wait, and those who were refused before. Of very many, some come earlier than their turn. */
  #refuse(nowMs: number): number {
    const atMs = Math.max(this.#promisedMs, nowMs + this.#waiting.size * BACK_EVERY_MS)
    this.#promisedMs = atMs + BACK_EVERY_MS
    return Math.max(MIN_RETRY_MS, (atMs - nowMs) % MAX_RETRY_MS)
  }

  #mayRun(limit: number, client: string | null): boolean {
    if (this.#hasRoom(limit, client)) return true
    const latestMs = this.#deps.nowMs() - RUNNING_TTL_MS
    for (const [request, { begunMs }] of this.#running) {
      if (begunMs >= latestMs) break
      this.#running.delete(request)
    }
    return this.#hasRoom(limit, client)
  }

  #hasRoom(limit: number, client: string | null): boolean {
    return this.#running.size < limit && !hasShare(this.#running.values(), client, MAX_RUNNING_OF_CLIENT)
  }

  #forgetLate(nowMs: number): void {
    for (const entry of this.#waiting) {
      if (entry.dueMs >= nowMs - LATE_TTL_MS) return
      this.#waiting.delete(entry)
    }
  }
}

/** Whether as many as `share` of the openings are the client's. */
function hasShare(openings: Iterable<Pick<Waiting, 'client'>>, client: string | null, share: number): boolean {
  let own = 0
  if (client !== null) for (const opening of openings) if (opening.client === client) own += 1
  return own >= share
}

/** How many openings may run, by how late a timer was. */
function runningAt(lagMs: number): number {
  return lagMs <= BUSY_LAG_MS ? MAX_RUNNING : Math.max(MIN_RUNNING, MAX_RUNNING * (BUSY_LAG_MS / lagMs))
}
