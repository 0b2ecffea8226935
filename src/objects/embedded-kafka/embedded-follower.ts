// Follows a partition of the embedded log from within its own object: records go from memory to the shards, nothing is
// read back and no other object is asked. Used by embedded-log.ts; the pipeline is src/following's. The checkpoint
// covers only what every shard has confirmed. It is stored with the next append, or by itself once the partition is
// idle.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { Config } from '../../config/parse-config.ts'
import { connectingShards } from '../../core/shard-map/shard-map.ts'
import type { InterestUpdate } from '../../core/interest/ledger.ts'
import { consume, type PartitionConsumer, type RunResult } from '../../following/consume-loop.ts'
import { createLinger, createPlanner } from '../../following/create-planner.ts'
import { DeadLetterLog, DeadLetterStore } from '../../following/dead-letters.ts'
import type { FollowerMetrics } from '../../following/telemetry/follower-metrics.ts'
import type { RecordTraces } from '../../following/telemetry/record-traces.ts'
import { FollowerRouting } from '../../following/follower-routing.ts'
import { logFailure, logRecovery } from '../../following/telemetry/log-following.ts'
import { RunHealth } from '../../following/run-health.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { PlannedUpTo } from '../../following/planned-up-to.ts'
import { createFiller } from '../../following/tables/create-filler.ts'
import type { TableFiller } from '../../following/tables/table-filler.ts'
import {
  takeOverFollower,
  type FillAnswer,
  type FillRequest,
  type FollowerProgress,
  type FollowerStatus,
  type InterestState,
} from '../../rpc/follower.ts'
import { FollowedRecords } from './followed-records.ts'
import type { PartitionLog } from './partition-log.ts'

/** Approximate bytes of one batch: see FETCH_BYTES of create-consumer.ts. */
const BATCH_BYTES = 2 * 1_048_576

/** Limit of calls of a run. An invocation may make 1,000, some of which the Directory and the alarm need. */
const RUN_CALLS = 800

/**
 * If no append stores the checkpoint, it is stored this long after the last batch. After a restart before that, the
 * batch is sent again and shards drop it. The time is short because a shard that did not want the batch then might
 * store it later.
 */
const STORE_CHECKPOINT_AFTER_MS = 1_000

export interface EmbeddedFollowerDeps {
  readonly env: Env
  readonly config: Config
  readonly at: TopicPartition
  readonly log: PartitionLog
  readonly storage: DurableObjectStorage
  readonly metrics: FollowerMetrics
  readonly traces: RecordTraces | null
  nowMs(): number
  random(): number
  warn(message: string, details: Record<string, unknown>): void
}

export class EmbeddedFollower {
  readonly #deps: EmbeddedFollowerDeps
  readonly #records: FollowedRecords
  readonly #routing: FollowerRouting
  readonly #health = new RunHealth((failures) => logRecovery(this.#deps.at, failures))
  readonly #planned = new PlannedUpTo()
  readonly #filler: TableFiller
  readonly #deadLetters: DeadLetterStore
  readonly #consumer: PartitionConsumer
  /** Where following begins if it has never begun: the end of the log may have moved until then. */
  readonly #startOffset: number
  /** It has not been asked yet whether a TopicFollower followed the partition before. */
  #isNew: boolean
  /** The run under way. One at a time: two would append the same events twice. */
  #run: Promise<void> | null = null
  #durableEnd = -1
  /** Records were appended since the run last looked for some. */
  #hasMore = false
  #storeTimer: ReturnType<typeof setTimeout> | undefined

  constructor(deps: EmbeddedFollowerDeps) {
    this.#deps = deps
    this.#routing = new FollowerRouting({ ...deps, storeCheckpoint: () => this.#storeCheckpoint() })
    this.#deadLetters = new DeadLetterStore(deps.storage.sql)
    this.#startOffset = deps.log.offsets()[deps.config.kafka.autoOffsetReset]
    this.#records = new FollowedRecords(deps.log)
    // Stored with the first record: an object that dies before it has followed that record would begin behind it.
    this.#isNew = deps.log.checkpoint === null
    if (this.#isNew && this.#records.end === 0) deps.log.moveCheckpoint(freshAt(0))
    this.#consumer = this.#createConsumer()
    this.#filler = createFiller(
      { ...deps, shardMap: this.#routing.shardMap },
      {
        env: deps.env,
        sql: deps.storage.sql,
        log: { fetch: async ({ offset }, { maxBytes }) => deps.log.read(offset, maxBytes) },
        progress: () => this.progress(-1),
        end: async () => deps.log.offsets().latest,
        follow: () => void this.follow(),
        nowMs: () => deps.nowMs(),
      },
    )
  }

  /** Records before this offset are known to be durable: calls that waited for it were answered. Others may be durable too. */
  get durableEnd(): number {
    return this.#durableEnd
  }

  /** These records, and all before them, are stored. Follows them. */
  appended(records: readonly LogRecord[]): Promise<void> {
    this.#records.appended(records)
    return this.follow()
  }

  /** Follows the log to its end. Resolves when that has been done, or has failed and an alarm is set. */
  follow(): Promise<void> {
    this.#hasMore = true
    if (this.#run === null && this.#deps.nowMs() >= this.#health.retryAtMs) this.#run = this.#runOnce()
    return this.#run ?? Promise.resolve()
  }

  /** The alarm of a run that failed, or that had used up its calls. */
  async retry(): Promise<void> {
    this.#hasMore = true
    this.#run ??= this.#runOnce()
    await this.#run
  }

  applyInterest(update: InterestUpdate): InterestState {
    return this.#routing.applyUpdate(update)
  }

  status(): FollowerStatus {
    const { checkpoint } = this.#deps.log
    return {
      counters: checkpoint,
      lag: checkpoint === null ? null : this.#deps.log.offsets().latest - checkpoint.offset,
      interest: this.#routing.interests.at,
      running: this.#run !== null,
      deadLetters: this.#deadLetters.read(),
      failures: this.#health.failures,
      lastError: this.#health.lastError,
    }
  }

  /** See FollowerStub. */
  async progress(offset: number): Promise<FollowerProgress | null> {
    const { checkpoint } = this.#deps.log
    const latest = () => this.#deps.log.offsets().latest
    const shards = connectingShards(this.#routing.shardMap.map)
    return checkpoint === null ? null : this.#planned.progress(checkpoint, shards, offset, latest)
  }

  /** See FollowerStub. */
  async fillTable(request: FillRequest): Promise<FillAnswer> {
    return this.#filler.ask(request)
  }

  async #runOnce(): Promise<void> {
    let isCaughtUp = false
    try {
      const { kind } = await this.#consumeToEnd()
      this.#health.succeeded()
      isCaughtUp = kind !== 'more'
      if (isCaughtUp) this.#storeCheckpointLater()
      else await this.#deps.storage.setAlarm(this.#deps.nowMs())
    } catch (error) {
      await this.#retryLater(error)
    } finally {
      this.#run = null
      // An append came between the last look and here: it saw a run, and left its records to it.
      if (isCaughtUp && this.#hasMore) this.#run = this.#runOnce()
    }
  }

  async #consumeToEnd(): Promise<RunResult> {
    if (this.#isNew) await this.#takeOver()
    if (!this.#routing.mayRoute) await this.#routing.registerOnce()
    this.#routing.shardMap.endFound(this.#deps.log.offsets().latest)
    for (let calls = 0; ;) {
      this.#hasMore = false
      const result = await consume(this.#consumer, this.#checkpoint(), RUN_CALLS - calls)
      calls += result.calls
      if (result.kind !== 'more') this.#routing.shardMap.caughtUp()
      if (calls >= RUN_CALLS) return { ...result, kind: 'more' }
      if (result.kind !== 'caught_up' || !this.#hasMore) return result
    }
  }

  /** Goes on from where the TopicFollower was, which then no longer follows. Once in a partition's life. */
  async #takeOver(): Promise<void> {
    const taken = await takeOverFollower(this.#deps.env, this.#deps.at)
    this.#deps.log.moveCheckpoint({ ...freshAt(this.#startOffset), ...taken })
    this.#deps.log.storeCheckpoint()
    this.#isNew = false
  }

  #checkpoint() {
    const { checkpoint } = this.#deps.log
    if (checkpoint === null) throw new Error('the partition is followed, but has no checkpoint')
    return checkpoint
  }

  async #retryLater(error: unknown): Promise<void> {
    const nowMs = this.#deps.nowMs()
    const retryAtMs = this.#health.failed(error, nowMs, this.#deps.random())
    const details = { failures: this.#health.failures, inMs: retryAtMs - nowMs }
    this.#deps.metrics.failed(String(error))
    logFailure('following failed, to be tried again', this.#deps.at, error, details)
    await this.#deps.storage.setAlarm(retryAtMs)
  }

  /** One timer, after activity: an idle partition has none. */
  #storeCheckpointLater(): void {
    if (this.#storeTimer !== undefined || this.#deps.log.isCheckpointStored) return
    this.#storeTimer = setTimeout(() => {
      this.#storeTimer = undefined
      if (this.#run === null) this.#storeCheckpoint()
    }, STORE_CHECKPOINT_AFTER_MS)
  }

  /** Stores the checkpoint, if storage does not have the newest one. */
  #storeCheckpoint(): void {
    const { log } = this.#deps
    if (log.checkpoint !== null && !log.isCheckpointStored) log.storeCheckpoint()
  }

  #createConsumer(): PartitionConsumer {
    const { at, config, env, log, traces } = this.#deps
    return {
      ...at,
      traces,
      log: { fetch: ({ offset }) => this.#records.fetch(offset, BATCH_BYTES) },
      fetchLimits: { maxWaitMs: 0, maxBytes: BATCH_BYTES },
      fetchesAhead: false,
      planner: createPlanner({
        env,
        config,
        at,
        interests: this.#routing.interests,
        shardMap: this.#routing.shardMap,
        log: createKafkaLog(env, config),
        traces,
      }),
      checkpoints: {
        move: (next, counted) => {
          const { records, deadLetters, lost, dropped } = this.#checkpoint()
          log.moveCheckpoint({
            ...next,
            records: records + counted.records,
            deadLetters: deadLetters + counted.deadLetters.count,
            lost: lost + counted.lost,
            dropped: dropped + counted.dropped,
          })
          this.#deadLetters.add(counted.deadLetters)
          this.#records.dropBefore(next.offset)
          this.#routing.shardMap.committed(next.offset)
        },
      },
      health: this.#health,
      answered: (next) => (this.#durableEnd = next),
      planning: (next, generation) => this.#planned.planning(next, generation),
      metrics: this.#deps.metrics,
      deadLetterLog: new DeadLetterLog((message, details) => this.#deps.warn(message, details)),
      committer: null,
      linger: createLinger(config, at.topic),
      nowMs: () => this.#deps.nowMs(),
      warn: (message, details) => this.#deps.warn(message, details),
    }
  }
}

function freshAt(offset: number) {
  return { offset, generation: 0, topicId: null, records: 0, deadLetters: 0, lost: 0, dropped: 0 }
}
