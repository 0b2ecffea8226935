// TopicFollower: the Durable Object that follows one topic-partition, called through rpc/follower.ts. This file has the
// object's life: it wakes (nudge, alarm), runs the consume loop (consume-loop.ts) and decides when to run again. Nudges
// come from the embedded log, the cron, and queue messages; changes of interest come from the Directory.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { autoOffsetResetOf, isFollowedHere } from '../../config/sources/topic-roles.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { connectingShards } from '../../core/shard-map/shard-map.ts'
import { createSourceLog } from '../../sources/create-event-log.ts'
import { timerOf } from '../../rpc/metrics.ts'
import { StorageProbe } from '../../segment-log/storage-probe.ts'
import {
  nudgeFollowers,
  parseFollowerName,
  type FillAnswer,
  type FillRequest,
  type FollowerCounters,
  type FollowerProgress,
  type FollowerReport,
  type FollowerResult,
  type FollowerStatus,
  type RelayedNudge,
  type RelayedStatus,
  type RelayedUpdate,
  type WakeResult,
} from '../../rpc/follower.ts'
import { CheckpointStore, type Checkpoint } from '../../following/checkpoint-store.ts'
import { consume, type RunResult } from '../../following/consume-loop.ts'
import { createFollowerMetrics } from '../../following/telemetry/follower-metrics.ts'
import { FollowerRelay } from '../../following/follower-relay.ts'
import { FollowerRouting } from '../../following/follower-routing.ts'
import { PlannedUpTo } from '../../following/planned-up-to.ts'
import { logFailure, logRecovery } from '../../following/telemetry/log-following.ts'
import { NO_PARTITION, RunHealth } from '../../following/run-health.ts'
import { createFiller } from '../../following/tables/create-filler.ts'
import { createConsumer } from './create-consumer.ts'
import { LogEnd } from './log-end.ts'

export class TopicFollower extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #name: TopicPartition = parseFollowerName(this.ctx.id.name ?? '')
  readonly #log = createSourceLog(this.env, this.#config, this.#name.topic, this.ctx.storage.sql)
  readonly #logEnd = new LogEnd(this.#log, this.#name)
  readonly #checkpoints = new CheckpointStore(this.ctx.storage.sql, {
    nowMs: () => Date.now(),
    schedule: (ms, act) => void setTimeout(act, ms),
  })
  readonly #routing = new FollowerRouting({
    env: this.env,
    config: this.#config,
    at: this.#name,
    storage: this.ctx.storage,
    storeCheckpoint: () => this.#checkpoints.flush(),
  })
  readonly #health = new RunHealth((failures) => logRecovery(this.#name, failures))
  readonly #planned = new PlannedUpTo()
  readonly #metrics = createFollowerMetrics({
    env: this.env,
    config: this.#config,
    at: this.#name,
    status: () => this.status(),
    nowMs: () => Date.now(),
    schedule: timerOf(this.ctx),
  })
  readonly #consumer = createConsumer({
    env: this.env,
    config: this.#config,
    at: this.#name,
    log: this.#log,
    checkpoints: this.#checkpoints,
    interests: this.#routing.interests,
    shardMap: this.#routing.shardMap,
    health: this.#health,
    planned: this.#planned,
    metrics: this.#metrics,
    schedule: timerOf(this.ctx),
    inBackground: (work) => this.ctx.waitUntil(work),
    nowMs: () => Date.now(),
    warn: (message, details) => this.#warn(message, details),
  })
  /** A reader of its own: the follower's may keep its place. */
  #createdFillLog: ReturnType<typeof createSourceLog> | undefined
  readonly #fillLog: Pick<ReturnType<typeof createSourceLog>, 'fetch'> = {
    fetch: (position, limits) => {
      this.#createdFillLog ??= createSourceLog(this.env, this.#config, this.#name.topic, this.ctx.storage.sql)
      return this.#createdFillLog.fetch(position, limits)
    },
  }
  readonly #filler = createFiller(
    { config: this.#config, at: this.#name, shardMap: this.#routing.shardMap },
    {
      env: this.env,
      sql: this.ctx.storage.sql,
      log: this.#fillLog,
      progress: () => this.progress(-1),
      end: () => this.#logEnd.latest(),
      follow: () => this.ctx.waitUntil(this.nudge()),
      nowMs: () => Date.now(),
    },
  )
  readonly #probe = new StorageProbe(this.ctx.storage, () => Date.now())
  readonly #relay = new FollowerRelay(this.env, this.#name, {
    nudge: (isLate) => this.nudge(isLate),
    applyInterest: (update) => this.#routing.applyUpdate(update),
    status: () => this.status(),
    checkStorage: () => this.#probe.check(),
  })
  /** One run at a time: two would append the same events twice. */
  #running = false
  /** A nudge came during the run: the end of the log may have moved since it was read. */
  #nudged = false

  /**
   * Reads on: something was, or may have been, produced. `isLate`: the partition was created after the topic was first
   * looked for, and is read from its start. Resolves when the follower has caught up, or has set an alarm to go on: a
   * fetch from a remote log may last, and the caller must not wait for it.
   *
   * A run inside a nudge has no alarm to fall back on: that write would cost each small produce more than its append. If
   * the object dies during it, the nudge rejects and the embedded log tries again; if both die, as in a deploy, the cron
   * or the first request of an isolate nudges. A run inside an alarm is repeated by the platform.
   */
  async nudge(isLate = false): Promise<void> {
    if (this.#isHandedOver()) return
    if (isLate && !this.#running && this.#checkpoints.read() === undefined) this.#checkpoints.start(0)
    this.#nudged = true
    if (this.#running || Date.now() < this.#health.retryAtMs) return
    if (this.#log.wakesFollowers) await this.#run()
    else await this.ctx.storage.setAlarm(Date.now())
  }

  override async alarm(): Promise<void> {
    if (this.#isHandedOver()) return
    this.#nudged = true
    if (!this.#running) await this.#run()
  }

  /**
   * Returns the checkpoint, and stops following the embedded log, whose partition now follows itself. Returns null if it was
   * never followed. A batch under way still ends; shards drop events that come twice.
   */
  async handOver(): Promise<FollowerCounters | null> {
    this.#checkpoints.flush()
    this.#checkpoints.handOver()
    return this.#checkpoints.read() ?? null
  }

  /** See FollowerStub. */
  async relayInterest(...call: RelayedUpdate): Promise<readonly FollowerResult[]> {
    return this.#relay.applyInterest(...call)
  }

  /** See FollowerStub. */
  async relayNudge(...call: RelayedNudge): Promise<readonly WakeResult[]> {
    return this.#relay.nudge(...call)
  }

  /** See FollowerStub. */
  async relayStatus(...call: RelayedStatus): Promise<readonly FollowerReport[]> {
    return this.#relay.status(...call)
  }

  async status(): Promise<FollowerStatus> {
    const counters = this.#checkpoints.read() ?? null
    return {
      counters,
      lag: counters === null ? null : await this.#logEnd.lag(counters.offset),
      interest: this.#routing.interests.at,
      running: this.#running,
      deadLetters: this.#checkpoints.deadLetters(),
      failures: this.#health.failures,
      lastError: this.#health.lastError,
    }
  }

  /** See FollowerStub. */
  async progress(offset: number): Promise<FollowerProgress | null> {
    const at = this.#checkpoints.read()
    return at === undefined
      ? null
      : this.#planned.progress(at, connectingShards(this.#routing.shardMap.map), offset, () => this.#logEnd.latest())
  }

  /** See FollowerStub. */
  async fillTable(request: FillRequest): Promise<FillAnswer> {
    return this.#filler.ask(request)
  }

  /**
   * A partition of the embedded log follows itself, also before it has taken over this object's checkpoint: interest is no
   * longer sent here, so what this object routed would be lost. Only a version before that followed such a partition.
   */
  #isHandedOver(): boolean {
    return isFollowedHere(this.#config, this.#name.topic)
  }

  async #run(): Promise<void> {
    this.#running = true
    try {
      await this.#scheduleNext(await this.#consumeWhileNudged())
      this.#health.succeeded()
    } catch (error) {
      await this.#retryLater(error)
    } finally {
      this.#checkpoints.flush()
      this.#running = false
    }
  }

  /**
   * A remote log's fetch waits for new records by itself; the embedded log answers at once, and nudges. Between the last
   * look at `#nudged` and `#running = false` nothing waits for I/O, so no nudge can be missed.
   */
  async #consumeWhileNudged(): Promise<RunResult> {
    await this.#routing.registerOnce()
    const { shardMap } = this.#routing
    if (shardMap.isEndWanted) shardMap.endFound((await this.#logEnd.latest()) ?? Infinity)
    let at: Checkpoint = this.#checkpoints.read() ?? (await this.#start())
    for (;;) {
      this.#nudged = false
      const result = await consume(this.#consumer, at)
      at = result.at
      if (result.kind !== 'more') shardMap.caughtUp()
      if (result.kind !== 'caught_up' || !this.#nudged || this.#isHandedOver()) return result
    }
  }

  async #scheduleNext({ at, kind, successors = [] }: RunResult): Promise<void> {
    if (kind === 'unknown') return this.#lookAgainLater(at)
    this.#health.found()
    if (kind === 'ended') return this.#wakeSuccessors(successors)
    this.#consumer.committer?.flush(Date.now())
    const sleeps = this.#log.wakesFollowers || this.#config.kafka.pullMode === 'scheduled'
    if (kind === 'more' || !sleeps) await this.ctx.storage.setAlarm(Date.now())
  }

  /** The partitions that go on where this one ended. They are new, so they are read from their start. */
  async #wakeSuccessors(successors: readonly number[]): Promise<void> {
    const { topic } = this.#name
    const results = await nudgeFollowers(
      this.env,
      successors.map((partition) => ({ topic, partition, isLate: true })),
    )
    for (const result of results) if (!result.ok) this.#warn('a successor was not woken', { error: result.error })
  }

  async #lookAgainLater({ offset }: Checkpoint): Promise<void> {
    const { atMs, isFirst } = this.#health.notFound(Date.now(), Math.random())
    if (isFirst) this.#warn(`${NO_PARTITION}, looked for until there is`, { offset })
    await this.ctx.storage.setAlarm(atMs)
  }

  async #retryLater(error: unknown): Promise<void> {
    const nowMs = Date.now()
    const retryAtMs = this.#health.failed(error, nowMs, Math.random())
    const { offset } = this.#checkpoints.read() ?? { offset: null }
    const { failures } = this.#health
    this.#metrics.failed(String(error))
    const details = { offset, failures, inMs: retryAtMs - nowMs }
    logFailure('following failed, to be tried again', this.#name, error, details)
    await this.ctx.storage.setAlarm(retryAtMs)
  }

  async #start(): Promise<Checkpoint> {
    const range = await this.#log.offsets(this.#name.topic, this.#name.partition)
    return this.#checkpoints.start(range[autoOffsetResetOf(this.#config, this.#name.topic)])
  }

  #warn(message: string, details: Record<string, unknown>): void {
    console.warn({ message, ...this.#name, ...details })
  }
}
