// EmbeddedLog: the Durable Object that is one topic-partition of the embedded log, called through rpc/embedded-kafka.ts. It
// appends by group commit (gated-commit.ts), answers fetches, which may wait for records, and follows its own records if its topic is
// followed (embedded-follower.ts).
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { isFollowedHere } from '../../config/sources/topic-roles.ts'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import { GatedCommit } from '../../segment-log/gated-commit.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../../kafka/kafka-log.ts'
import type { Appended, KeyedRecord } from '../../rpc/embedded-kafka.ts'
import { timerOf } from '../../rpc/metrics.ts'
import { StorageProbe } from '../../segment-log/storage-probe.ts'
import {
  parseFollowerName,
  type FillAnswer,
  type FillRequest,
  type FollowerProgress,
  type FollowerReport,
  type FollowerResult,
  type FollowerStatus,
  type RelayedNudge,
  type RelayedStatus,
  type RelayedUpdate,
  type WakeResult,
} from '../../rpc/follower.ts'
import { RecordTraces } from '../../following/telemetry/record-traces.ts'
import { createTracer } from '../../telemetry/create-tracer.ts'
import { createFollowerMetrics } from '../../following/telemetry/follower-metrics.ts'
import { FollowerRelay } from '../../following/follower-relay.ts'
import { EmbeddedFollower } from './embedded-follower.ts'
import { PartitionLog } from './partition-log.ts'

const NOT_FOLLOWED: FollowerStatus = {
  counters: null,
  lag: null,
  interest: null,
  running: false,
  deadLetters: { byReason: {}, last: null },
  failures: 0,
  lastError: null,
}

export class EmbeddedLog extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #at: TopicPartition = parseFollowerName(this.ctx.id.name ?? '')
  readonly #log = new PartitionLog(this.ctx.storage, this.#at, this.#config.kafka.embedded)
  readonly #follower = this.#createFollower()
  readonly #probe = new StorageProbe(this.ctx.storage, () => Date.now())
  readonly #relay = new FollowerRelay(this.env, this.#at, {
    nudge: () => this.nudge(),
    // A partition that is not followed does not need interest, so it must not delay the Directory's other calls.
    applyInterest: (update) =>
      this.#follower?.applyInterest(update) ?? {
        version: update.version,
        orphans: [],
        writesBy: update.shardMap?.version ?? 0,
      },
    status: () => this.status(),
    checkStorage: () => this.#probe.check(),
  })
  readonly #appends = new GatedCommit<readonly KeyedRecord[], readonly Appended[]>({
    commit: (requests) => this.#commit(requests),
    isDurable: () => this.#follower?.durableEnd === this.#log.offsets().latest,
    sync: () => this.ctx.storage.sync(),
  })
  /** Fetches that wait at the end of the log, each with its own timer. Without such a fetch there is no timer. */
  readonly #waiting = new Set<() => void>()

  /** Returns the offset of the first record; the others follow it. Durable when the caller has it. */
  append(records: readonly KeyedRecord[]): number | Promise<number> {
    const places = this.#appends.add(records)
    return places instanceof Promise ? places.then((stored) => this.#firstOf(stored)) : this.#firstOf(places)
  }

  #firstOf([first]: readonly Appended[]): number {
    return first?.offset ?? this.#log.offsets().latest
  }

  /** Returns the place of each record. A record whose idempotency key is known is not stored again. Durable when the caller has it. */
  appendOnce(records: readonly KeyedRecord[]): readonly Appended[] | Promise<readonly Appended[]> {
    return this.#appends.add(records)
  }

  async read(offset: number, { maxWaitMs, maxBytes }: FetchLimits): Promise<Fetched> {
    this.#log.trim(Date.now())
    const fetched = this.#log.read(offset, maxBytes)
    if (fetched.kind !== 'records' || fetched.records.length > 0 || maxWaitMs <= 0) return fetched
    await this.#nextAppend(maxWaitMs)
    return this.#log.read(offset, maxBytes)
  }

  offsets(): OffsetRange {
    this.#log.trim(Date.now())
    return this.#log.offsets()
  }

  /** Returns the offset of the first record that is not older than `timestampMs`; the end of the log if all are. */
  offsetAt(timestampMs: number): number {
    return this.#log.offsetAt(timestampMs)
  }

  /** Follows records that have not been followed yet. Resolves when that is done, or an alarm is set. */
  async nudge(): Promise<void> {
    await this.#follower?.follow()
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

  status(): FollowerStatus {
    return this.#follower?.status() ?? NOT_FOLLOWED
  }

  /** See FollowerStub. */
  async progress(offset: number): Promise<FollowerProgress | null> {
    return (await this.#follower?.progress(offset)) ?? null
  }

  /** See FollowerStub. */
  async fillTable(request: FillRequest): Promise<FillAnswer> {
    return this.#follower?.fillTable(request) ?? { done: false }
  }

  override async alarm(): Promise<void> {
    await this.#follower?.retry()
  }

  /**
   * The runtime holds back answers, and calls to shards, until what was written before is durable (output gate). So decoding and
   * routing need not wait for the commit, and nothing is confirmed or sent before it.
   */
  #commit(requests: readonly (readonly KeyedRecord[])[]): readonly (readonly Appended[])[] {
    const { latest } = this.#log.offsets()
    const places = this.#log.append(requests, Date.now())
    if (this.#follower !== null)
      this.ctx.waitUntil(this.#follower.appended(toRecords(this.#at, latest, requests, places)))
    for (const answer of this.#waiting) answer()
    return places
  }

  #nextAppend(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const answer = () => {
        clearTimeout(timer)
        this.#waiting.delete(answer)
        resolve()
      }
      const timer = setTimeout(answer, maxWaitMs)
      this.#waiting.add(answer)
    })
  }

  #createFollower(): EmbeddedFollower | null {
    if (!isFollowedHere(this.#config, this.#at.topic)) return null
    const common = { env: this.env, config: this.#config, at: this.#at }
    const metrics = createFollowerMetrics({
      ...common,
      status: () => this.status(),
      nowMs: () => Date.now(),
      schedule: timerOf(this.ctx),
    })
    const tracer = createTracer(this.#config.tracing, timerOf(this.ctx))
    return new EmbeddedFollower({
      ...common,
      metrics,
      traces: tracer === null ? null : new RecordTraces(tracer, this.#at),
      log: this.#log,
      storage: this.ctx.storage,
      nowMs: () => Date.now(),
      random: () => Math.random(),
      warn: (message, details) => console.warn({ message, ...this.#at, ...details }),
    })
  }
}

/** The records that were stored, from `next` on: those that were not there already. */
function toRecords(
  { topic, partition }: TopicPartition,
  next: number,
  requests: readonly (readonly KeyedRecord[])[],
  places: readonly (readonly Appended[])[],
): readonly LogRecord[] {
  const stored: LogRecord[] = []
  for (const [request, records] of requests.entries()) {
    for (const [index, { timestampMs, key, headers, value }] of records.entries()) {
      const place = places[request]?.[index]
      if (place === undefined || place.duplicate || place.offset < next) continue
      // Member by member: see core/kept-shapes.ts.
      stored.push({ topic, partition, offset: place.offset, timestampMs, key, headers, value })
    }
  }
  return stored
}
