// The way of an event: fetch → decode → route → append → checkpoint, over a small interface and without a runtime.
// The checkpoint moves only after every shard and the dead-letter topic have answered; whatever dies before that is
// fetched again, and shards drop what they have. Wakes, retries and storage are topic-follower.ts's.
import type { LogRecord } from '../core/events/kafka-record.ts'
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../core/concurrency.ts'
import type { Fetched } from '../kafka/kafka-log.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'

/** Where a follower is: the next offset to fetch, and how often offsets have started anew. */
export interface Checkpoint {
  readonly offset: number
  readonly generation: number
  /** The life of the topic that the offset is of; null: the log tells none, or nothing has been read yet. */
  readonly topicId: string | null
}

/** What a batch was made of, counted in the same transaction as the checkpoint. */
export interface BatchCounters {
  readonly records: number
  readonly deadLetters: number
  /** Records that retention removed before they could be read. */
  readonly lost: number
}

/** Calls that may be made side by side. */
export type Stage = readonly (() => Promise<unknown>)[]

/** Records, as work: for the shards, the desks, the dead-letter topic. A stage begins when the one before it has ended well. */
export interface BatchPlan {
  readonly stages: readonly Stage[]
  readonly deadLetters: number
}

export type FetchedRecords = Omit<Extract<Fetched, { kind: 'records' }>, 'kind'>

/** Records that can be sorted without waiting for anything: of those fetched all, or the first. */
export interface Prepared extends FetchedRecords {
  readonly schemas: Schemas
}

export interface ConsumeDeps {
  fetch(at: Checkpoint): Promise<Fetched>
  prepare(fetched: FetchedRecords): Promise<Prepared>
  /** What has to be done with records of a generation before the checkpoint may pass them. */
  sort(records: readonly LogRecord[], generation: number, schemas: Schemas): BatchPlan
  checkpoint(next: Checkpoint, counted: BatchCounters): void
  /** The run has had its time: what is under way is its last batch. */
  isLate(): boolean
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
export interface RunBudget {
  readonly batches: number
  /** To the log and to shards: a Worker invocation may make so many. */
  readonly calls: number
}

/**
 * Follows the log from `from` as far as the bound allows. Throws what a dependency throws: nothing is lost by it. The
 * next batch is fetched while this one is appended; it is routed when its turn comes, by what shards want by then.
 */
export async function consume(deps: ConsumeDeps, from: Checkpoint, bound: RunBudget): Promise<Drained> {
  let at = from
  let calls = 0
  let ahead = fetchAhead(deps, at)
  for (let batches = 1; ; batches += 1) {
    const fetched = await ahead
    if (fetched.kind === 'unknown_topic_or_partition') return { kind: 'unknown', at }
    if (fetched.kind === 'records' && fetched.next === at.offset) return { kind: 'caught_up', at }
    const batch = fetched.kind === 'records' ? toBatch(deps, at, await deps.prepare(fetched)) : reset(deps, at, fetched)
    calls += 1 + batch.stages.flat().length
    const isLast = batches >= bound.batches || calls >= bound.calls || deps.isLate()
    if (!isLast) ahead = fetchAhead(deps, batch.next)
    for (const stage of batch.stages) await runWithLimit(stage, MAX_CONCURRENT_CALLS)
    deps.checkpoint(batch.next, batch.counted)
    at = batch.next
    if (isLast) return { kind: 'more', at }
  }
}

/** Its failure is met when its turn comes; if the batch before it fails, nobody asks for it any more. */
function fetchAhead(deps: ConsumeDeps, at: Checkpoint): Promise<Fetched> {
  const fetching = deps.fetch(at)
  fetching.catch(() => undefined)
  return fetching
}

type OutOfRange = Extract<Fetched, { kind: 'offset_out_of_range' }>

/** What has to be done before the checkpoint may move to `next`. */
interface Batch {
  readonly stages: readonly Stage[]
  readonly next: Checkpoint
  readonly counted: BatchCounters
}

/**
 * The log does not have the checkpoint's offset. Behind its start: retention was faster, and what it took is counted. Past
 * its end, or of another topic: it was made anew, and everything in it is news; but if it is known to be the same topic,
 * its end was cut off, as by an unclean leader election, and what comes next is news. Offsets mean something new from here.
 */
function reset(deps: ConsumeDeps, at: Checkpoint, { earliest, latest, topicId = null }: OutOfRange): Batch {
  const isSameTopic = topicId !== null && topicId === at.topicId
  const isAnother = topicId !== null && at.topicId !== null && topicId !== at.topicId
  const lost = isAnother ? 0 : Math.max(0, earliest - at.offset)
  const isCutOff = isSameTopic && at.offset > latest
  deps.warn(describeReset(lost, isCutOff), { ...at, earliest, latest, lost })
  const next = { offset: isCutOff ? latest : earliest, generation: at.generation + 1, topicId: topicId ?? at.topicId }
  return { stages: [], next, counted: { records: 0, deadLetters: 0, lost } }
}

function describeReset(lost: number, isCutOff: boolean): string {
  if (lost > 0) return 'retention overtook the checkpoint'
  return isCutOff ? 'the end of the log was cut off by the brokers' : 'the topic was made anew'
}

function toBatch(deps: ConsumeDeps, at: Checkpoint, prepared: Prepared): Batch {
  const { next: offset, records, schemas, topicId } = prepared
  const { generation } = at
  const { deadLetters, stages } = deps.sort(records, generation, schemas)
  return {
    stages,
    next: { offset, generation, topicId: topicId ?? at.topicId },
    counted: { records: records.length, deadLetters, lost: 0 },
  }
}
