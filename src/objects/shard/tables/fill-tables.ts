// Has the tables of a shard filled with what was in their topics before the shard wanted them: asks the follower of each
// partition until it has sent everything. Goes on after a restart: which partitions are done is stored.
import { logIncident } from '../../../telemetry/incident-log.ts'
import { decodeBatch } from '../../../core/delivery/batch-codec.ts'
import { partitionName, type TopicPartition } from '../../../core/events/kafka-record.ts'
import type { TableRules } from '../../../core/tables/table-rule.ts'
import type { FillAnswer, FillRequest } from '../../../rpc/follower.ts'
import type { FillBatch } from '../../../rpc/shard.ts'
import type { LogStore } from '../log/log-store.ts'
import { keyOf } from '../log/seen.ts'
import { NO_TEXT } from './table-rows.ts'
import type { FilledRow, TableStore } from './table-store.ts'

/** A follower or the Directory that does not answer is asked again after this time. */
const ASK_AGAIN_MS = 1_000
/** After a restart, filling goes on by this time. */
const WAKE_AFTER_MS = 30_000

export interface TableFillsDeps {
  readonly shard: number
  readonly rules: TableRules | null
  readonly store: TableStore
  readonly log: Pick<LogStore, 'head'>
  /** Returns all partitions that were ever followed. */
  readonly partitions: () => Promise<readonly TopicPartition[]>
  readonly fillTable: (at: TopicPartition, request: FillRequest) => Promise<FillAnswer>
  /** A table is complete, or too large. */
  readonly changed: (type: string) => void
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<unknown>
  readonly wakeBy: (atMs: number) => void
  readonly background: (work: Promise<unknown>) => void
}

export class TableFills {
  readonly #deps: TableFillsDeps
  readonly #running = new Set<string>()

  constructor(deps: TableFillsDeps) {
    this.#deps = deps
  }

  /** Fills a table that is not complete, in the background. */
  begin(type: string): void {
    const { background, nowMs, store, wakeBy } = this.#deps
    if (this.#running.has(type) || store.statusOf(type) !== 'filling') return
    this.#running.add(type)
    wakeBy(nowMs() + WAKE_AFTER_MS)
    background(this.#fill(type).finally(() => this.#running.delete(type)))
  }

  /** A follower sends events from before. Of each type, those from `upTo` on come as events. */
  add({ packs, partition, topic, upTo }: FillBatch): void {
    const { log, store } = this.#deps
    // A batch may be late: for a table that has been dropped and is filled anew, maybe of a topic that has been created anew.
    const wanted = upTo.filter(([type, , fillId]) => fillId === undefined || fillId === store.fillIdOf(type))
    const ends = new Map(wanted.map(([type, offset]) => [type, offset]))
    const byType = new Map<string, FilledRow[]>()
    for (const { fields, offset, recipients, row, type, utf8 } of packs.flatMap((pack) => [...decodeBatch(pack)])) {
      if (row === undefined || offset >= (ends.get(type) ?? 0)) continue
      const [key, removes] = row
      const isGone = removes === 1 || recipients?.length === 0
      const text = isGone ? NO_TEXT : utf8
      const rows = byType.get(type) ?? []
      byType.set(type, rows)
      rows.push({ key, offset, text, fields: isGone ? {} : fields, recipients: isGone ? [] : recipients })
    }
    for (const [type, rows] of byType) store.fill(type, keyOf(topic, partition), rows, log.head)
  }

  async #fill(type: string): Promise<void> {
    const { changed, log, nowMs, sleep, store, wakeBy } = this.#deps
    for (;;) {
      if (store.statusOf(type) !== 'filling') return
      wakeBy(nowMs() + WAKE_AFTER_MS)
      try {
        if (await this.#askAll(type)) {
          store.complete(type, log.head)
          return changed(type)
        }
      } catch (error) {
        logIncident('a table could not be filled, tried again', { type }, { error: String(error) })
      }
      await sleep(ASK_AGAIN_MS)
    }
  }

  /** Returns whether every partition is done. */
  async #askAll(type: string): Promise<boolean> {
    const { fillTable, partitions, rules, shard, store } = this.#deps
    const fillId = store.fillIdOf(type)
    const own = (await partitions()).filter(({ topic }) => topic === rules?.get(type)?.topic)
    let isDone = own.length > 0 && fillId !== undefined
    for (const at of own) {
      if (fillId === undefined || store.isFilled(type, partitionName(at))) continue
      const { done } = await fillTable(at, { shard, type, fillId })
      if (store.fillIdOf(type) !== fillId) return false
      if (done) store.filled(type, partitionName(at))
      else isDone = false
    }
    return isDone
  }
}
