// Fetches by offset through consumer instances, for dialects without a fetch route. Keeps one instance per partition and
// recreates it when the proxy has lost it, which is normal. An instance at another offset than the caller's is replaced.
// Records are checked against the partition's range, because an instance skips unreadable offsets silently.
import type { Dialect } from '../../config/kafka-rest.ts'
import { partitionName, type LogPosition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../kafka-log.ts'
import type { RestDeps } from './rest-deps.ts'
import { TRAITS } from './dialect.ts'
import type { InstanceJournal } from './instance-journal.ts'
import { poll, type ConsumerInstance } from './consumer-instance.ts'
import { InstancePool } from './instance-pool.ts'
import { assertInOrder, toLogRecord, type FetchedRecord } from './records.ts'
import { hostOf, type RestClient } from './rest-client.ts'
import { isNotFound, KafkaRestError } from './rest-error.ts'
import type { TopicReader } from './topics.ts'

/** A new consumer needs this long to reach its broker, even if the caller does not want to wait. */
const MIN_WAIT_MS = 500
/** Extra polls, without the byte limit, when the range has more records than the proxy returns. */
const MAX_STUCK_POLLS = 3
/** Pause after a poll that returned nothing before its timeout. */
const EARLY_PAUSE_MS = 250
/** Byte limit for a record that is larger than the usual one: Confluent's proxy would return nothing for ever. */
const LARGE_BYTES = 8_388_608
const CAP_BYTES = 16_777_216

/** An instance and its position. Held by one fetch at a time. */
interface ConsumerLease {
  readonly instance: ConsumerInstance
  /** The offset that the instance reads next. */
  readonly next: number
}

/** What the reader needs. */
export interface InstanceReaderOptions {
  readonly client: RestClient
  readonly topics: TopicReader
  readonly dialect: Dialect
  readonly instanceHosts: readonly string[]
  readonly journal: InstanceJournal
  readonly deps: Pick<RestDeps, 'nowMs' | 'sleep' | 'newId'>
}

/** Reads partitions through one proxy. */
export class InstanceReader {
  readonly #options: InstanceReaderOptions
  readonly #instances: InstancePool
  /**
   * Partition → an idle instance. A fetch takes it out, so that two concurrent fetches (a failed run leaves one in flight)
   * never share one. The fetch that returns second deletes its own.
   */
  readonly #idle = new Map<string, ConsumerLease>()

  constructor(options: InstanceReaderOptions) {
    this.#options = options
    this.#instances = new InstancePool({ ...options, newId: () => options.deps.newId() })
  }

  async fetch(position: LogPosition, limits: FetchLimits): Promise<Fetched> {
    const { deps, topics } = this.#options
    const untilMs = deps.nowMs() + Math.max(limits.maxWaitMs, MIN_WAIT_MS)
    let lease = await this.#take(position)
    for (let losses = 0; ; losses += 1) {
      try {
        if (lease === undefined) {
          const range = await topics.offsets(position)
          const mismatch = this.#findMismatch(position, range)
          if (mismatch !== null) return mismatch
          if (limits.maxWaitMs === 0 && range?.latest === position.offset) return noRecords(position)
          lease = { instance: await this.#instances.create(position), next: position.offset }
        }
        return await this.#read(lease, position, limits, untilMs)
      } catch (error) {
        if (!isNotFound(error)) throw error
        if (losses > 0) throw this.#instanceLostError(error)
        lease = undefined
      }
    }
  }

  /** The position of an instance is unknown after a failed read, so it is deleted. */
  async #read(lease: ConsumerLease, position: LogPosition, limits: FetchLimits, untilMs: number): Promise<Fetched> {
    try {
      const fetched = await this.#poll(lease.instance, position, limits, untilMs)
      const isReusable = fetched.kind === 'records' && (fetched.records.length > 0 || limits.maxWaitMs > 0)
      if (!isReusable) await this.#instances.release(lease.instance)
      else await this.#putBack(position, { instance: lease.instance, next: fetched.next })
      return fetched
    } catch (error) {
      await this.#instances.release(lease.instance)
      throw error
    }
  }

  async #poll(instance: ConsumerInstance, position: LogPosition, limits: FetchLimits, until: number): Promise<Fetched> {
    const { client, deps, dialect, topics } = this.#options
    const { pollMs, takesMaxBytes } = TRAITS[dialect]
    let maxBytes = takesMaxBytes ? limits.maxBytes : null
    let untilMs = until
    for (let stuck = 0; ;) {
      const startedMs = deps.nowMs()
      const waitMs = Math.max(1, Math.min(pollMs, untilMs - startedMs))
      const records = await poll(client, instance, { waitMs, maxBytes, capBytes: CAP_BYTES })
      if (records.length > 0) return this.#check(records, position)
      const nowMs = deps.nowMs()
      const isEarly = nowMs - startedMs < waitMs / 2
      if (!isEarly && nowMs < untilMs) continue
      const range = await topics.offsets(position)
      const mismatch = this.#findMismatch(position, range)
      if (mismatch !== null) return mismatch
      const isMore = range !== null && range.latest > position.offset
      if (isMore ? stuck >= MAX_STUCK_POLLS : nowMs >= untilMs) return noRecords(position)
      if (isMore) {
        stuck += 1
        if (maxBytes !== null) maxBytes = LARGE_BYTES
        untilMs = Math.max(untilMs, deps.nowMs() + MIN_WAIT_MS)
      }
      if (isEarly) await deps.sleep(EARLY_PAUSE_MS)
    }
  }

  /**
   * A first record before the position means that the partition was recreated and the instance reset. One after it means
   * that the records between were compacted or deleted by retention. The range tells which.
   */
  async #check(records: readonly FetchedRecord[], position: LogPosition): Promise<Fetched> {
    const { client, deps, topics } = this.#options
    const [first] = records
    if (first?.offset !== position.offset) {
      const mismatch = this.#findMismatch(position, await topics.offsets(position))
      if (mismatch !== null) return mismatch
    }
    assertInOrder(hostOf(client), records, position)
    const nowMs = deps.nowMs()
    const next = (records.at(-1)?.offset ?? position.offset) + 1
    return { kind: 'records', records: records.map((record) => toLogRecord(record, nowMs)), next }
  }

  /**
   * An idle instance at another offset is deleted: Confluent's proxy returns the records that it has already read, whatever
   * the instance then seeks to.
   */
  async #take(position: LogPosition): Promise<ConsumerLease | undefined> {
    const lease = this.#idle.get(partitionName(position))
    if (lease === undefined) return undefined
    this.#idle.delete(partitionName(position))
    if (lease.next === position.offset) return lease
    await this.#instances.release(lease.instance)
    return undefined
  }

  async #putBack(position: LogPosition, lease: ConsumerLease): Promise<void> {
    if (this.#idle.has(partitionName(position))) await this.#instances.release(lease.instance)
    else this.#idle.set(partitionName(position), lease)
  }

  /**
   * Returns why the position cannot be read: it is out of range, or the topic was created anew. A partition that has begun above
   * 0 and begins at 0 is a new one, because retention only removes. That remains known until the caller reads from the start.
   */
  #findMismatch(position: LogPosition, range: OffsetRange | null): Fetched | null {
    if (range === null) return { kind: 'unknown_topic_or_partition' }
    const { journal } = this.#options
    const { earliest, latest } = range
    const { offset } = position
    const start = journal.start(partitionName(position))
    const isAnew = earliest === 0 && start > 0 && offset > 0
    if (!isAnew && earliest !== start) journal.setStart(partitionName(position), earliest)
    const isInRange = offset >= earliest && offset <= latest
    return isInRange && !isAnew ? null : { kind: 'offset_out_of_range', ...range }
  }

  #instanceLostError(error: unknown): KafkaRestError {
    const { client } = this.#options
    const message =
      'does not know the instance that it has just created. A load balancer needs session affinity by cookie, or ' +
      `KAFKA_REST_INSTANCE_HOSTS must name the proxies behind it (${String(error)})`
    return new KafkaRestError(hostOf(client), 'consumer instance', { status: 404, message })
  }
}

function noRecords({ offset }: LogPosition): Fetched {
  return { kind: 'records', records: [], next: offset }
}
