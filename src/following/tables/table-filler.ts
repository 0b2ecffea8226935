// Reads a partition from its beginning for shards that have come to want a table, beside the loop that follows it. One scan is
// for all shards that wait: it begins where the one that is furthest behind has to go on. A shard asks until it is told that
// it has everything; how far each is, is stored, so that a scan goes on after a crash. Used by both objects that follow.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../../core/concurrency.ts'
import type { AppendBatch } from '../../core/delivery/batch-codec.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { withTimeout } from '../../core/time/timeout.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import type { FillAnswer, FillRequest, FollowerProgress } from '../../rpc/follower.ts'
import type { FillBatch } from '../../rpc/shard.ts'
import { logIncident } from '../../telemetry/incident-log.ts'
import type { BatchPlanner } from '../consume-loop.ts'

/** One fetch: the follower of the partition needs memory too. */
const FETCH_BYTES = 1_048_576
/** A call is answered after this time, so that its caller knows that the scan goes on. */
const ANSWER_AFTER_MS = 15_000
/** What a shard that does not ask any more had is forgotten after this time. */
const FORGET_AFTER_MS = 3_600_000
/** Fetches without progress before the scan is given up until somebody asks again. */
const MAX_EMPTY = 20
const EMPTY_WAIT_MS = 100

interface FillWait {
  readonly shard: number
  readonly type: string
  readonly fillId: string
  next: number
  /** The shard gets events from here on as they come. */
  upTo: number
}

export interface TableFillerDeps {
  readonly at: TopicPartition
  readonly sql: SqlStorage
  readonly log: Pick<KafkaLog, 'fetch'>
  /** Plans batches whose calls go to `send`; types are of interest to the shards of `shardsOf`. */
  createPlanner(
    shardsOf: (type: string) => ReadonlySet<number>,
    send: (shard: number, batch: AppendBatch) => Promise<void>,
  ): BatchPlanner
  /** Null: the follower has not started. */
  progress(): Promise<FollowerProgress | null>
  /** Returns the offset that the next record will get. Null: the log does not answer. */
  end(): Promise<number | null>
  /** Has the follower go on: it may have been restarted, and wait for the next record. */
  follow(): void
  fill(shard: number, batch: FillBatch): Promise<void>
  nowMs(): number
  sleep(ms: number): Promise<unknown>
}

export class TableFiller {
  readonly #deps: TableFillerDeps
  /** By shard and type. */
  readonly #waits = new Map<string, FillWait>()
  #run: Promise<void> | null = null
  readonly #planner: BatchPlanner
  /**
   * The end of the log when this object was first asked: an earlier life of the object may have routed everything before, by
   * earlier interest, although its checkpoint is older.
   */
  #routedBefore: { readonly generation: number; readonly end: number } | undefined
  /** The part of the waits that the batch under way is for. */
  #served: readonly FillWait[] = []

  constructor(deps: TableFillerDeps) {
    this.#deps = deps
    this.#planner = deps.createPlanner(
      (type) => new Set(this.#served.filter((wait) => wait.type === type).map(({ shard }) => shard)),
      async (shard, batch) => {
        const own = this.#served.filter((wait) => wait.shard === shard)
        if (own.length > 0)
          await deps.fill(shard, { ...batch, upTo: own.map(({ fillId, type, upTo }) => [type, upTo, fillId]) })
      },
    )
  }

  /** Resolves when the shard has everything, or after a while: it then asks again. */
  async ask(request: FillRequest): Promise<FillAnswer> {
    const progress = await this.#deps.progress()
    const routed = progress === null ? null : await this.#routedUpTo(progress)
    if (progress === null || routed === null) return { done: false }
    const wait = this.#waitOf(request, routed)
    await withTimeout(this.#scan(), ANSWER_AFTER_MS).catch((error: unknown) => {
      if (wait.next < wait.upTo)
        logIncident('a table could not be filled yet', { ...this.#deps.at }, { error: String(error) })
    })
    if (wait.next < wait.upTo) return { done: false }
    // What was under way to the shard when it began to wait must be there too.
    const after = await this.#deps.progress()
    if (after === null || (after.generation === progress.generation && (after.done ?? wait.upTo) < wait.upTo)) {
      this.#deps.follow()
      return { done: false }
    }
    this.#waits.delete(keyOf(request))
    this.#deps.sql.exec('DELETE FROM table_fills WHERE shard = ? AND type = ?', request.shard, request.type)
    return { done: true }
  }

  /** Events from here on are routed by interest that the shard has registered. Null: the log does not answer. */
  async #routedUpTo({ generation, planned }: FollowerProgress): Promise<number | null> {
    if (this.#routedBefore?.generation === generation) return Math.max(planned, this.#routedBefore.end)
    const end = await this.#deps.end()
    if (end === null) return null
    this.#routedBefore = { generation, end }
    return Math.max(planned, end)
  }

  #waitOf(request: FillRequest, upTo: number): FillWait {
    const known = this.#waits.get(keyOf(request))
    if (known?.fillId === request.fillId) return known
    const { fillId, shard, type } = request
    const wait = this.#stored(request) ?? { shard, type, fillId, next: 0, upTo }
    this.#waits.set(keyOf(request), wait)
    return wait
  }

  #stored({ fillId, shard, type }: FillRequest): FillWait | undefined {
    this.#createTable()
    this.#deps.sql.exec('DELETE FROM table_fills WHERE at_ms < ?', this.#deps.nowMs() - FORGET_AFTER_MS)
    const [row] = this.#deps.sql
      .exec<{ next: number; up_to: number }>(
        'SELECT next, up_to FROM table_fills WHERE shard = ? AND type = ? AND fill_id = ?',
        shard,
        type,
        fillId,
      )
      .toArray()
    return row === undefined ? undefined : { shard, type, fillId, next: row.next, upTo: row.up_to }
  }

  #createTable(): void {
    this.#deps.sql.exec(
      'CREATE TABLE IF NOT EXISTS table_fills (shard INTEGER NOT NULL, type TEXT NOT NULL, fill_id TEXT NOT NULL, next INTEGER NOT NULL, up_to INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (shard, type)) WITHOUT ROWID',
    )
  }

  /** One scan at a time, for all. */
  #scan(): Promise<void> {
    this.#run ??= this.#scanAll().finally(() => (this.#run = null))
    return this.#run
  }

  async #scanAll(): Promise<void> {
    for (let empty = 0; empty < MAX_EMPTY;) {
      const waiting = [...this.#waits.values()].filter(({ next, upTo }) => next < upTo)
      if (waiting.length === 0) return
      const hasMoved = await this.#step(waiting, Math.min(...waiting.map(({ next }) => next)))
      if (!hasMoved) await this.#deps.sleep(EMPTY_WAIT_MS)
      empty = hasMoved ? 0 : empty + 1
    }
  }

  /** Returns whether the scan has moved on. A partition that does not have the offset has nothing up to where it begins. */
  async #step(waiting: readonly FillWait[], offset: number): Promise<boolean> {
    const { at, log } = this.#deps
    const fetched = await log.fetch({ ...at, offset }, { maxWaitMs: 0, maxBytes: FETCH_BYTES })
    if (fetched.kind === 'unknown_topic_or_partition') return false
    if (fetched.kind !== 'records') {
      // Behind the end: the topic was created anew, and is followed from its start.
      const next = fetched.kind === 'ended' || offset >= fetched.latest ? Infinity : fetched.earliest
      this.#advance(waiting, next)
      return true
    }
    const { kind: _, ...batch } = fetched
    const most = Math.max(...waiting.map(({ upTo }) => upTo))
    const records = batch.records.filter((record) => record.offset < most)
    this.#served = waiting.filter((wait) => wait.next < batch.next)
    const { next, stages } = await this.#planner.plan({ ...batch, records }, 0)
    for (const stage of stages) await runWithLimit(stage, MAX_CONCURRENT_CALLS)
    this.#advance(this.#served, next)
    if (next === offset) await this.#endAt(offset, waiting)
    return next > offset
  }

  /** The end of the log was cut off, or it has been created anew: records up to `upTo` will be others, and come as events. */
  async #endAt(offset: number, waiting: readonly FillWait[]): Promise<void> {
    const end = await this.#deps.end()
    if (end === null || end > offset) return
    for (const wait of waiting) wait.upTo = Math.min(wait.upTo, Math.max(end, wait.next))
  }

  #advance(waits: readonly FillWait[], next: number): void {
    this.#createTable()
    for (const wait of waits) {
      wait.next = Math.max(wait.next, Math.min(next, wait.upTo))
      const { fillId, shard, type, upTo } = wait
      const sql = 'INSERT OR REPLACE INTO table_fills VALUES (?, ?, ?, ?, ?, ?)'
      this.#deps.sql.exec(sql, shard, type, fillId, wait.next, upTo, this.#deps.nowMs())
    }
  }
}

function keyOf({ shard, type }: Pick<FillRequest, 'shard' | 'type'>): string {
  return `${shard} ${type}`
}
