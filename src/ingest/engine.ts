// The way of an event: fetch → decode → route → append → checkpoint, over a small interface and without a runtime.
// The checkpoint moves only after every shard and the dead-letter topic have answered; whatever dies before that is
// fetched again, and shards drop what they have. Wakes, retries and storage are topic-follower.ts's.
import type { AppendBatch } from '../core/event.ts'
import type { LogRecord, NewRecord } from '../core/log-record.ts'
import type { Fetched, OffsetRange } from '../kafka/kafka-log.ts'
import { deadLetter } from './dead-letter.ts'
import { decodeRecord } from './decode.ts'
import { route, type RouteRules, type Routes } from './route.ts'

/** Where a follower is: the next offset to fetch, and how often offsets have started anew. */
export interface Checkpoint {
  readonly offset: number
  readonly generation: number
}

/** What a batch was made of, counted in the same transaction as the checkpoint. */
export interface Counted {
  readonly records: number
  readonly deadLetters: number
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

export interface DrainDeps {
  readonly topic: string
  readonly partition: number
  readonly rules: RouteRules
  readonly maxEventBytes: number
  fetch(offset: number): Promise<Fetched>
  append(shard: number, batch: AppendBatch): Promise<void>
  produce(records: readonly NewRecord[]): Promise<unknown>
  deadLetterTopic: string
  checkpoint(next: Checkpoint, counted: Counted): void
  warn(message: string, details: Record<string, unknown>): void
}

export type Drained =
  /** There may be more: the run's bound was reached. */
  | { readonly kind: 'more'; readonly at: Checkpoint }
  /** The end of the log was reached. */
  | { readonly kind: 'caught_up'; readonly at: Checkpoint }
  /** There is no such partition, for now. */
  | { readonly kind: 'unknown'; readonly at: Checkpoint }

/** Follows the log from `from` for at most `maxBatches` fetches. Throws what a dependency throws: nothing is lost by it. */
export async function drain(deps: DrainDeps, from: Checkpoint, maxBatches: number): Promise<Drained> {
  let at = from
  for (let batches = 0; batches < maxBatches; batches += 1) {
    const fetched = await deps.fetch(at.offset)
    if (fetched.kind === 'unknown_topic_or_partition') return { kind: 'unknown', at }
    if (fetched.kind === 'offset_out_of_range') at = reset(deps, at, fetched)
    else if (fetched.records.length === 0) return { kind: 'caught_up', at }
    else at = await forward(deps, at, fetched.records)
  }
  return { kind: 'more', at }
}

/**
 * The log does not have the checkpoint's offset. Behind its start: retention was faster, and what it took is counted.
 * Past its end: the topic was made anew, and everything in it is news. Either way offsets mean something new from here.
 */
function reset(deps: DrainDeps, at: Checkpoint, { earliest, latest }: OffsetRange): Checkpoint {
  const lost = Math.max(0, Math.min(earliest, latest) - at.offset)
  const overtaken = at.offset < earliest
  const next = { offset: earliest, generation: at.generation + 1 }
  deps.warn(overtaken ? 'retention overtook the checkpoint' : 'the topic was made anew', {
    ...at,
    earliest,
    latest,
    lost,
  })
  deps.checkpoint(next, { records: 0, deadLetters: 0, lost: overtaken ? lost : 0 })
  return next
}

async function forward(deps: DrainDeps, at: Checkpoint, records: readonly LogRecord[]): Promise<Checkpoint> {
  const routes: Routes = new Map()
  const deadLetters: NewRecord[] = []
  for (const record of records) {
    const problem = decodeAndRoute(deps, routes, record)
    if (problem !== undefined) deadLetters.push(problem)
  }
  const { topic, partition } = deps
  const appends = [...routes].map(([shard, events]) =>
    deps.append(shard, { topic, partition, generation: at.generation, events }),
  )
  await allOrThrow(deadLetters.length > 0 ? [...appends, deps.produce(deadLetters)] : appends)
  const next = { offset: (records.at(-1)?.offset ?? at.offset) + 1, generation: at.generation }
  deps.checkpoint(next, { records: records.length, deadLetters: deadLetters.length, lost: 0 })
  return next
}

/** Undefined, or the dead letter that the record becomes. */
function decodeAndRoute(deps: DrainDeps, routes: Routes, record: LogRecord): NewRecord | undefined {
  const decoded = decodeRecord(record, deps.maxEventBytes)
  if (!decoded.ok) return deadLetter(deps.deadLetterTopic, record, decoded.reason)
  const routed = route(routes, deps.rules, decoded.value, record.offset)
  if (routed.ok) return undefined
  return deadLetter(deps.deadLetterTopic, record, { kind: 'invalid_recipients', message: routed.reason })
}

/** Waits for all, so that no append of this batch can still be on its way when the batch is fetched again. */
async function allOrThrow(work: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(work)
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
