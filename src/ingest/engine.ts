// The way of an event: fetch → decode → route → append → checkpoint, over a small interface and without a runtime.
// The checkpoint moves only after every shard and the dead-letter topic have answered; whatever dies before that is
// fetched again, and shards drop what they have. Wakes, retries and storage are topic-follower.ts's.
import type { AppendBatch } from '../core/event.ts'
import type { LogRecord, NewRecord } from '../core/log-record.ts'
import type { Fetched, OffsetRange } from '../kafka/kafka-log.ts'
import { deadLetter, inParcels } from './dead-letter.ts'
import { decodeRecord, type DecodeReason } from './decode.ts'
import { runAll } from './pool.ts'
import { route, type RouteRules, type Routes } from './route.ts'

/** Each call under way holds its copy of a batch: with a broadcast of 1 MiB to many shards that is the memory it takes. */
const CALLS_AT_ONCE = 16

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

/** What one run may do, at least one batch. */
export interface Bound {
  readonly batches: number
  /** To the log and to shards: a Worker invocation may make so many. */
  readonly calls: number
}

/**
 * Follows the log from `from` as far as the bound allows. Throws what a dependency throws: nothing is lost by it. The
 * next batch is fetched while this one is appended; it is routed when its turn comes, by what shards want by then.
 */
export async function drain(deps: DrainDeps, from: Checkpoint, bound: Bound): Promise<Drained> {
  let at = from
  let calls = 0
  let ahead = fetchAhead(deps, at)
  for (let batches = 1; ; batches += 1) {
    const fetched = await ahead
    if (fetched.kind === 'unknown_topic_or_partition') return { kind: 'unknown', at }
    if (fetched.kind === 'records' && fetched.records.length === 0) return { kind: 'caught_up', at }
    const batch = fetched.kind === 'records' ? sortOut(deps, at, fetched.records) : reset(deps, at, fetched)
    calls += 1 + batch.work.length
    const isLast = batches >= bound.batches || calls >= bound.calls
    if (!isLast) ahead = fetchAhead(deps, batch.next)
    await runAll(batch.work, CALLS_AT_ONCE)
    deps.checkpoint(batch.next, batch.counted)
    at = batch.next
    if (isLast) return { kind: 'more', at }
  }
}

/** Its failure is met when its turn comes; if the batch before it fails, nobody asks for it any more. */
function fetchAhead(deps: DrainDeps, { offset }: Checkpoint): Promise<Fetched> {
  const fetching = deps.fetch(offset)
  fetching.catch(() => undefined)
  return fetching
}

/** What has to be done before the checkpoint may move to `next`. */
interface Batch {
  readonly work: readonly (() => Promise<unknown>)[]
  readonly next: Checkpoint
  readonly counted: Counted
}

/**
 * The log does not have the checkpoint's offset. Behind its start: retention was faster, and what it took is counted.
 * Past its end: the topic was made anew, and everything in it is news. Either way offsets mean something new from here.
 */
function reset(deps: DrainDeps, at: Checkpoint, { earliest, latest }: OffsetRange): Batch {
  const lost = Math.max(0, earliest - at.offset)
  deps.warn(lost > 0 ? 'retention overtook the checkpoint' : 'the topic was made anew', {
    ...at,
    earliest,
    latest,
    lost,
  })
  const next = { offset: earliest, generation: at.generation + 1 }
  return { work: [], next, counted: { records: 0, deadLetters: 0, lost } }
}

function sortOut(deps: DrainDeps, { offset, generation }: Checkpoint, records: readonly LogRecord[]): Batch {
  const { topic, partition } = deps
  const routes: Routes = new Map()
  const deadLetters: NewRecord[] = []
  for (const record of records) {
    const reason = decodeAndRoute(deps, routes, record)
    if (reason !== undefined) deadLetters.push(deadLetter(deps.deadLetterTopic, record, reason))
  }
  const appends = [...routes].map(
    ([shard, events]) =>
      () =>
        deps.append(shard, { topic, partition, generation, events }),
  )
  return {
    work: deadLetters.length > 0 ? [...appends, () => produceInOrder(deps, deadLetters)] : appends,
    next: { offset: (records.at(-1)?.offset ?? offset) + 1, generation },
    counted: { records: records.length, deadLetters: deadLetters.length, lost: 0 },
  }
}

/** Undefined, or why the record is a dead letter. Whatever it does to us: those behind it must come through. */
function decodeAndRoute(deps: DrainDeps, routes: Routes, record: LogRecord): DecodeReason | undefined {
  try {
    const decoded = decodeRecord(record, deps.maxEventBytes)
    if (!decoded.ok) return decoded.reason
    const routed = route(routes, deps.rules, decoded.value, record.offset)
    return routed.ok ? undefined : { kind: 'invalid_recipients', message: routed.reason }
  } catch (error) {
    return { kind: 'not_processable', message: String(error) }
  }
}

async function produceInOrder(deps: DrainDeps, deadLetters: readonly NewRecord[]): Promise<void> {
  for (const parcel of inParcels(deadLetters)) await deps.produce(parcel)
}
