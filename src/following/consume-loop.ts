// The consume loop of one topic-partition: fetch → plan (decode, assign shards) → append to shards → checkpoint. Called
// by topic-follower.ts. The checkpoint moves only after every shard and the dead-letter topic have confirmed: after a
// crash the same records are fetched again, and shards drop what they have stored.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../core/concurrency.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, KafkaLog } from '../kafka/kafka-log.ts'
import type { AppendLinger } from './append-linger.ts'
import type { BatchCounters, Checkpoint, CheckpointStore } from './checkpoint-store.ts'
import { NO_DEAD_LETTERS, type DeadLetterLog, type DeadLetterSummary } from './dead-letters.ts'
import type { FollowerMetrics } from './telemetry/follower-metrics.ts'
import type { OffsetCommitter } from './offset-committer.ts'
import type { RecordTraces } from './telemetry/record-traces.ts'
import type { RunHealth } from './run-health.ts'

/** Calls that may run concurrently. */
export type Stage = readonly (() => Promise<unknown>)[]

export type FetchedRecords = Omit<Extract<Fetched, { kind: 'records' }>, 'kind'>

/**
 * The calls that must succeed before the checkpoint moves to `next`. A stage starts when the one before it has
 * succeeded.
 */
export interface BatchPlan {
  readonly stages: readonly Stage[]
  /** Offset to fetch next. Smaller than that of the fetch if only the first of the fetched records are planned. */
  readonly next: number
  readonly records: number
  readonly deadLetters: DeadLetterSummary
  /** Records that a rule drops; absent: none. */
  readonly dropped?: number
}

/** Turns fetched records into calls: plan-events.ts for source topics, plan-responses.ts for response topics. */
export interface BatchPlanner {
  readonly budget: RunBudget
  /** Throws if a schema registry cannot be reached: the batch is then fetched again. */
  plan(fetched: FetchedRecords, generation: number): BatchPlan | Promise<BatchPlan>
}

/** Limits of one run. A run has at least one batch. */
export interface RunBudget {
  readonly batches: number
  /** Calls to the log and to shards: an invocation of a Worker may make a limited number. */
  readonly calls: number
  /** After this time the batch that is being appended is the last one. */
  readonly ms: number
}

/** The parts that the loop uses: one object for the life of a follower. */
export interface PartitionConsumer extends TopicPartition {
  readonly log: { fetch(...of: Parameters<KafkaLog['fetch']>): Fetched | Promise<Fetched> }
  readonly fetchLimits: FetchLimits
  /** Decides when the next batch may begin; absent: at once. */
  readonly linger?: AppendLinger
  /** False: the next batch is not fetched while one is appended, because a fetch waits for nothing. True if absent. */
  readonly fetchesAhead?: boolean
  readonly planner: BatchPlanner
  readonly checkpoints: Pick<CheckpointStore, 'move'>
  readonly health: Pick<RunHealth, 'succeeded'>
  readonly deadLetterLog: Pick<DeadLetterLog, 'report'>
  /** Told before records are routed: those before `next`, of this generation. */
  planning?(next: number, generation: number): void
  /** Told when a batch's calls were answered, which are for records before `next`. Not told of a batch without calls. */
  answered?(next: number): void
  /** Null or absent: tracing is not configured. */
  readonly traces?: Pick<RecordTraces, 'begin' | 'end'> | null
  /** Absent: nothing is counted. */
  readonly metrics?: Pick<FollowerMetrics, 'consumed'>
  /** Null unless KAFKA_GROUP_ID is set. */
  readonly committer: Pick<OffsetCommitter, 'moved'> | null
  nowMs(): number
  warn(message: string, details: Record<string, unknown>): void
}

export interface RunResult {
  /**
   * `more`: the budget is used up and there may be more records. `caught_up`: the end of the log was reached.
   * `unknown`: the topic or partition does not exist, for now. `ended`: it takes no more records.
   */
  readonly kind: 'more' | 'caught_up' | 'unknown' | 'ended'
  /** The partitions that continue an ended one. */
  readonly successors?: readonly number[]
  readonly at: Checkpoint
  /** Calls that were made. */
  readonly calls: number
}

/**
 * Consumes the log from `from` within the planner's budget. Throws if a fetch, a plan or a call fails; the checkpoint
 * is then where the last complete batch left it. The next batch is fetched while this one is appended, and planned
 * when its turn comes, by the interest that shards have declared by then.
 */
export async function consume(
  consumer: PartitionConsumer,
  from: Checkpoint,
  maxCalls = consumer.planner.budget.calls,
): Promise<RunResult> {
  const { budget } = consumer.planner
  const endMs = consumer.nowMs() + budget.ms
  let at = from
  let calls = 0
  let ahead: Fetched | Promise<Fetched> | undefined
  for (let batches = 1; ; batches += 1) {
    const lingering = ahead === undefined ? consumer.linger?.next() : undefined
    if (lingering !== undefined) await lingering
    // What is there already is not awaited: for an event by itself promises take as long as the work.
    const fetching = ahead ?? fetch(consumer, at)
    const fetched = fetching instanceof Promise ? await fetching : fetching
    const fetchedMs = consumer.nowMs()
    ahead = undefined
    if (fetched.kind === 'unknown_topic_or_partition') return { kind: 'unknown', at, calls }
    if (fetched.kind === 'ended') return { ...fetched, at, calls }
    if (fetched.kind === 'records' && fetched.next === at.offset) return { kind: 'caught_up', at, calls }
    const planning = fetched.kind === 'records' ? plan(consumer, at, fetched) : reset(consumer, at, fetched)
    const batch = planning instanceof Promise ? await planning : planning
    calls += 1
    for (const stage of batch.stages) calls += stage.length
    const isLast = batches >= budget.batches || calls >= maxCalls || consumer.nowMs() >= endMs
    if (!isLast && fetchesAhead(consumer)) ahead = fetchAhead(consumer, batch.next)
    for (const stage of batch.stages) await runWithLimit(stage, MAX_CONCURRENT_CALLS)
    if (batch.stages.length > 0) consumer.answered?.(batch.next.offset)
    commit(consumer, batch)
    if (fetched.kind === 'records') count(consumer, fetched, batch, fetchedMs)
    at = batch.next
    if (isLast) return { kind: 'more', at, calls }
  }
}

function fetchesAhead({ fetchesAhead: isWanted = true, linger }: PartitionConsumer): boolean {
  return isWanted && linger?.isOn !== true
}

/** A rejection is handled when its turn comes. It is ignored if the batch before it fails. */
function fetchAhead(consumer: PartitionConsumer, at: Checkpoint): Fetched | Promise<Fetched> {
  const fetching = fetch(consumer, at)
  if (fetching instanceof Promise) fetching.catch(() => undefined)
  return fetching
}

function fetch({ fetchLimits, log, partition, topic }: PartitionConsumer, at: Checkpoint): Fetched | Promise<Fetched> {
  const { cursor = null, offset, topicId } = at
  return log.fetch({ topic, partition, offset, topicId, cursor }, fetchLimits)
}

interface PlannedBatch {
  readonly stages: readonly Stage[]
  readonly next: Checkpoint
  readonly counted: BatchCounters
}

function plan(
  consumer: PartitionConsumer,
  at: Checkpoint,
  fetched: FetchedRecords,
): PlannedBatch | Promise<PlannedBatch> {
  consumer.planning?.(fetched.next, at.generation)
  consumer.traces?.begin()
  const planned = consumer.planner.plan(fetched, at.generation)
  if (planned instanceof Promise) return planned.then((batch) => toPlanned(at, fetched, batch))
  return toPlanned(at, fetched, planned)
}

function toPlanned(
  at: Checkpoint,
  fetched: FetchedRecords,
  { deadLetters, dropped = 0, next: offset, records, stages }: BatchPlan,
): PlannedBatch {
  const { generation } = at
  return {
    stages,
    next: { offset, generation, topicId: fetched.topicId ?? at.topicId, ...cursorOf(fetched, at, offset) },
    counted: { records, deadLetters, dropped, lost: 0 },
  }
}

function count(
  consumer: PartitionConsumer,
  { records }: FetchedRecords,
  { counted }: PlannedBatch,
  fetchedMs: number,
): void {
  const planned = counted.records === records.length ? records : records.slice(0, counted.records)
  const nowMs = consumer.nowMs()
  consumer.traces?.end(fetchedMs, nowMs)
  consumer.metrics?.consumed({ records: planned, deadLetters: counted.deadLetters.count, fetchedMs, nowMs })
}

/** Only logs that do not number their records have cursors. */
function cursorOf({ cursors }: FetchedRecords, at: Checkpoint, offset: number): Pick<Checkpoint, 'cursor'> {
  return cursors === undefined ? {} : { cursor: cursors[offset - at.offset - 1] ?? at.cursor ?? null }
}

function commit(consumer: PartitionConsumer, { counted, next }: PlannedBatch): void {
  const { checkpoints, committer, deadLetterLog, health } = consumer
  checkpoints.move(next, counted)
  deadLetterLog.report(counted.deadLetters, consumer.nowMs())
  // A run may last minutes: its first complete batch ends the failure before it.
  health.succeeded()
  consumer.linger?.appended()
  committer?.moved(next.offset, consumer.nowMs())
}

type OutOfRange = Extract<Fetched, { kind: 'offset_out_of_range' }>

/**
 * The log does not have the checkpoint's offset. Before its start: retention was faster, and the removed records are
 * counted as lost. Past its end, or another topic id: the topic was created anew and is read from its start. Past its
 * end with the same topic id: the end was cut off, as by an unclean leader election, and reading goes on at the new
 * end. In each case offsets have a new meaning from here, so the generation grows.
 */
function reset(
  consumer: PartitionConsumer,
  at: Checkpoint,
  { earliest, latest, topicId = null }: OutOfRange,
): PlannedBatch {
  const isSameTopic = topicId !== null && topicId === at.topicId
  const isAnother = topicId !== null && at.topicId !== null && topicId !== at.topicId
  const lost = isAnother ? 0 : Math.max(0, earliest - at.offset)
  const isCutOff = isSameTopic && at.offset > latest
  consumer.warn(describeReset(lost, isCutOff), { ...at, earliest, latest, lost })
  const next = { offset: isCutOff ? latest : earliest, generation: at.generation + 1, topicId: topicId ?? at.topicId }
  return { stages: [], next, counted: { records: 0, deadLetters: NO_DEAD_LETTERS, dropped: 0, lost } }
}

function describeReset(lost: number, isCutOff: boolean): string {
  if (lost > 0) return 'retention overtook the checkpoint'
  return isCutOff ? 'the end of the log was cut off by the brokers' : 'the topic was created anew'
}
