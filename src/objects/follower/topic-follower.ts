// TopicFollower: the Durable Object that follows one topic-partition. Wiring: the way of an event is engine.ts, its
// place checkpoint-store.ts, who wants what interest-index.ts. Woken by the embedded log, the cron, a queue message or
// its own alarm; told of interests by the Directory. Its door is door.ts.
import { DurableObject } from 'cloudflare:workers'
import { deliverResponse } from '../../rpc/pending-responses.ts'
import { configOf, isResponseTopic } from '../../config/parse-config.ts'
import type { LogRecord, NewRecord } from '../../core/events/kafka-record.ts'
import { FAN_OUT } from '../../core/delivery/partition-evenly.ts'
import { directoryStub } from '../../rpc/directory.ts'
import type { InterestChange } from '../../rpc/interest.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { createSchemaCache } from '../../schema-registry/create-caches.ts'
import type { Schemas } from '../../schema-registry/schema-cache.ts'
import { createShardSender } from '../../rpc/shard.ts'
import { backoffMs } from '../../core/backoff.ts'
import { CheckpointStore, type FollowerCounters } from './checkpoint-store.ts'
import {
  consume,
  type Checkpoint,
  type ConsumeDeps,
  type Drained,
  type BatchPlan,
} from '../../following/consume-loop.ts'
import { InterestIndex } from '../../following/interest-index.ts'
import { OffsetCommitter } from './offset-committer.ts'
import { prefetchSchemas } from '../../following/prefetch-schemas.ts'
import { ANSWERS_RUN, prefetchForResponses, planResponses } from '../../following/plan-responses.ts'
import { planEvents } from '../../following/plan-events.ts'

/**
 * A fetch is decoded, routed and appended as one, and a shard writes its part in one commit: half as many are a sixth of a
 * backlog's time. It is in memory some five times, with the next, and an isolate of 128 MB may have several followers.
 */
const FETCH_BYTES = 2 * 1_048_576

/**
 * One run. Calls bound its subrequests: 1,000 to Cloudflare's own services is what the free plan allows, and some room is
 * left for the Directory.
 */
const RUN = { batches: 50, calls: 900 }

/** Of a run, but for its last batch. An alarm is killed after 15 minutes; batches of slow or throttling brokers take long. */
const RUN_MS = 300_000

/** How long a remote log may hold a fetch at the end of the log. */
const LONG_POLL_MS = 10_000

/** A partition that is not there is looked for this often, sooner at first: a broker that just started may not know it yet. */
const UNKNOWN_RETRY = { baseMs: 1_000, capMs: 30_000 }

/** Of one that was followed: the topic was deleted, or its brokers have forgotten it. */
const NO_PARTITION = 'there is no such topic or partition'

/** A log that is out of reach may take longer to say so. */
const LAG_TIMEOUT_MS = 2_000

interface FollowerStatus {
  readonly counters: FollowerCounters | null
  /** Records between its place and the end of the log; null: not started, or the log cannot be asked. */
  readonly lag: number | null
  readonly interestVersion: number | null
  readonly running: boolean
  readonly failures: number
  readonly lastError: string | null
}

export class TopicFollower extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #log = createKafkaLog(this.env, this.#config, this.ctx.storage.sql)
  readonly #schemas = createSchemaCache(this.#config)
  readonly #checkpoints = new CheckpointStore(this.ctx.storage.sql)
  readonly #interests = new InterestIndex(this.ctx.storage)
  /** Null: nobody wants to be told. */
  readonly #lagReport: OffsetCommitter | null
  readonly #topic: string
  readonly #partition: number
  /** One run at a time: two would append the same events twice for nothing. */
  #running = false
  /** A nudge came while running: the end of the log may have moved since it was read. */
  #nudged = false
  #failures = 0
  /** Runs in a row that found no such partition. */
  #unknowns = 0
  /** Until then an alarm is set, and nudges wait for it: what produces must not hammer at what fails. */
  #retryAtMs = 0
  #lastError: string | null = null

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    const name = ctx.id.name ?? ''
    const slash = name.lastIndexOf('/')
    this.#topic = name.slice(0, slash)
    this.#partition = Number(name.slice(slash + 1))
    this.#lagReport = this.#makeLagReport()
  }

  /**
   * Something was produced, or may have been: read on now. `isLate`: the partition came after the topic was first looked
   * for, and is read from its start: what was produced until it was found is news. Resolves when the follower has caught
   * up, or has seen to going on by itself: a remote log's fetch may last, and whoever nudges must not wait for it.
   *
   * A run inside a nudge has no alarm to fall back on: that write would cost each small produce more than its append.
   * If the object dies in it, the nudge rejects and the embedded log tries again; if both die, as in a deploy, the cron
   * or the first request of an isolate nudges. A run inside an alarm is run again by the platform.
   */
  async nudge(isLate = false): Promise<void> {
    if (isLate && !this.#running && this.#checkpoints.read() === undefined) this.#checkpoints.start(0)
    this.#nudged = true
    if (this.#running || Date.now() < this.#retryAtMs) return
    if (this.#log.wakesFollowers) await this.#run()
    else await this.ctx.storage.setAlarm(Date.now())
  }

  override async alarm(): Promise<void> {
    this.#nudged = true
    if (!this.#running) await this.#run()
  }

  /** Applied before it resolves. */
  async applyInterest(change: InterestChange): Promise<void> {
    if (!this.#interests.apply(change)) await this.#register()
  }

  async status(): Promise<FollowerStatus> {
    const counters = this.#checkpoints.read() ?? null
    return {
      counters,
      lag: counters === null ? null : await this.#lag(counters.offset),
      interestVersion: this.#interests.version,
      running: this.#running,
      failures: this.#failures + this.#unknowns,
      lastError: this.#lastError ?? (this.#unknowns > 0 ? NO_PARTITION : null),
    }
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      await this.#goOn(await this.#drainWhileNudged())
      this.#isWell()
    } catch (error) {
      await this.#retryLater(error)
    } finally {
      this.#running = false
    }
  }

  /**
   * A remote log's fetch waits for news by itself; the embedded log answers at once, and nudges. From the last look at
   * `#nudged` to `#running = false` nothing waits for I/O, so that no nudge can fall between the two.
   */
  async #drainWhileNudged(): Promise<Drained> {
    const isForUsers = !isResponseTopic(this.#config, this.#topic)
    if (isForUsers && this.#interests.version === null) await this.#register()
    let at: Checkpoint = this.#checkpoints.read() ?? (await this.#start())
    for (;;) {
      this.#nudged = false
      const drained = await consume(this.#deps(isForUsers), at, isForUsers ? RUN : ANSWERS_RUN)
      at = drained.at
      if (drained.kind !== 'caught_up' || !this.#nudged) return drained
    }
  }

  async #goOn(drained: Drained): Promise<void> {
    this.#unknowns = drained.kind === 'unknown' ? this.#unknowns + 1 : 0
    if (drained.kind === 'unknown') {
      if (this.#unknowns === 1) this.#warn(`${NO_PARTITION}, looked for until there is`, { offset: drained.at.offset })
      return this.ctx.storage.setAlarm(Date.now() + backoffMs(this.#unknowns, Math.random(), UNKNOWN_RETRY))
    }
    this.#lagReport?.flush(Date.now())
    if (drained.kind === 'more') return this.ctx.storage.setAlarm(Date.now())
    const sleeps = this.#log.wakesFollowers || this.#config.kafka.pullMode === 'scheduled'
    if (!sleeps) await this.ctx.storage.setAlarm(Date.now())
  }

  async #retryLater(error: unknown): Promise<void> {
    this.#failures += 1
    this.#lastError = String(error)
    const inMs = backoffMs(this.#failures, Math.random())
    const { offset } = this.#checkpoints.read() ?? { offset: null }
    this.#warn('following failed, to be tried again', { offset, failures: this.#failures, inMs, error: String(error) })
    this.#retryAtMs = Date.now() + inMs
    await this.ctx.storage.setAlarm(this.#retryAtMs)
  }

  #isWell(): void {
    this.#failures = 0
    this.#retryAtMs = 0
    this.#lastError = null
  }

  async #lag(offset: number): Promise<number | null> {
    const timeout = scheduler.wait(LAG_TIMEOUT_MS).then(() => null)
    const range = await Promise.race([this.#log.offsets(this.#topic, this.#partition).catch(() => null), timeout])
    return range === null ? null : Math.max(0, range.latest - offset)
  }

  async #start(): Promise<Checkpoint> {
    const range = await this.#log.offsets(this.#topic, this.#partition)
    return this.#checkpoints.start(range[this.#config.kafka.autoOffsetReset])
  }

  async #register(): Promise<void> {
    this.#interests.replace(await directoryStub(this.env).registerFollower(this.#topic, this.#partition))
  }

  #deps(isForUsers: boolean): ConsumeDeps {
    const { pullMode } = this.#config.kafka
    const at = { topic: this.#topic, partition: this.#partition }
    const lateMs = Date.now() + RUN_MS
    const waits = !this.#log.wakesFollowers && pullMode === 'continuous'
    const limits = { maxWaitMs: waits ? LONG_POLL_MS : 0, maxBytes: FETCH_BYTES }
    return {
      fetch: ({ offset, topicId }) => this.#log.fetch({ ...at, offset, topicId }, limits),
      prepare: async (fetched) =>
        isForUsers ? prefetchSchemas(this.#schemas, fetched) : prefetchForResponses(fetched),
      sort: (records, generation, schemas) => this.#sort(records, generation, schemas),
      checkpoint: (next, counted) => {
        this.#checkpoints.move(next, counted)
        // A run may go on for minutes: what it has got past is no failure any more.
        this.#isWell()
        this.#lagReport?.moved(next.offset, Date.now())
      },
      isLate: () => Date.now() >= lateMs,
      warn: (message, details) => this.#warn(message, details),
    }
  }

  #makeLagReport(): OffsetCommitter | null {
    const { groupId } = this.#config.kafka
    if (groupId === null) return null
    return new OffsetCommitter({
      commit: async (offset) => this.#log.commit?.(groupId, { topic: this.#topic, partition: this.#partition, offset }),
      inBackground: (work) => this.ctx.waitUntil(work),
      warn: (error) => this.#warn('the position could not be committed for the group', { groupId, error }),
    })
  }

  #sort(records: readonly LogRecord[], generation: number, schemas: Schemas): BatchPlan {
    const { kafka, extractors, recipients, shards, maxEventBytes } = this.#config
    const { deadLetterTopic } = kafka
    const produce = (letters: readonly NewRecord[]) => this.#log.produce(letters)
    if (isResponseTopic(this.#config, this.#topic)) {
      return planResponses(
        { deadLetterTopic, produce, deliver: (answer) => deliverResponse(this.env, answer) },
        records,
      )
    }
    const deps = {
      topic: this.#topic,
      partition: this.#partition,
      maxEventBytes,
      deadLetterTopic,
      produce,
      schemas: this.#schemas === null ? null : schemas,
      rules: { extractors, recipients, shards, interested: (type: string) => this.#interests.shardsOf(type) },
      ...createShardSender(this.env),
      fanOut: FAN_OUT,
    }
    return planEvents(deps, records, generation)
  }

  #warn(message: string, details: Record<string, unknown>): void {
    console.warn({ message, topic: this.#topic, partition: this.#partition, ...details })
  }
}
