// Fetch by offset, by way of consumer instances: one a partition, kept as long as it lives and made anew when it is lost,
// which is normal. The offset is the caller's: an instance that would read elsewhere is replaced, and what one answers is
// checked against the range that the partition has, since an instance leaps over what it cannot read without a word.
import type { Dialect } from '../../config/kafka-rest.ts'
import type { LogPosition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../kafka-log.ts'
import type { RestDeps } from './rest-deps.ts'
import { TRAITS } from './dialect.ts'
import type { InstanceJournal } from './instance-journal.ts'
import { poll, type Instance } from './consumer-instance.ts'
import { Instances } from './instance-pool.ts'
import { requireInOrder, toLogRecord, type FetchedRecord } from './records.ts'
import { hostOf, type RestClient } from './rest-client.ts'
import { isNotFound, KafkaRestError } from './rest-error.ts'
import type { Topics } from './topics.ts'

/** A consumer that has just been made needs a moment to reach its broker, even for a reader that does not wait. */
const MIN_WAIT_MS = 500
/** There is more, and the proxy does not answer with it: so often it is asked again, without a limit of bytes. */
const MAX_STUCK_POLLS = 3
/** A poll that comes back empty before its time is not repeated at once. */
const EARLY_PAUSE_MS = 250
/** What is asked for when a record is larger than the limit: Confluent's proxy answers nothing then, for ever. */
const LARGE_BYTES = 8_388_608
const CAP_BYTES = 16_777_216

interface Seat {
  readonly instance: Instance
  /** The offset it reads next. */
  readonly next: number
}

export interface InstanceReaderOptions {
  readonly client: RestClient
  readonly topics: Topics
  readonly dialect: Dialect
  readonly instanceHosts: readonly string[]
  readonly notes: InstanceJournal
  readonly deps: Pick<RestDeps, 'nowMs' | 'pause' | 'newId'>
}

export class InstanceReader {
  readonly #options: InstanceReaderOptions
  readonly #instances: Instances
  /**
   * By partition, an instance that nobody reads from just now. Whoever reads takes it out, so that two that read at the
   * same time (a run that failed leaves a fetch under way) never share one; whoever comes back second ends his own.
   */
  readonly #free = new Map<string, Seat>()

  constructor(options: InstanceReaderOptions) {
    this.#options = options
    this.#instances = new Instances({ ...options, newId: () => options.deps.newId() })
  }

  async fetch(position: LogPosition, limits: FetchLimits): Promise<Fetched> {
    const { deps, topics } = this.#options
    const untilMs = deps.nowMs() + Math.max(limits.maxWaitMs, MIN_WAIT_MS)
    let seat = await this.#take(position)
    for (let losses = 0; ; losses += 1) {
      try {
        if (seat === undefined) {
          const range = await topics.offsets(position)
          const elsewhere = notInRange(position, range)
          if (elsewhere !== null) return elsewhere
          if (limits.maxWaitMs === 0 && range?.latest === position.offset) return nothing(position)
          seat = { instance: await this.#instances.make(position), next: position.offset }
        }
        return await this.#read(seat, position, limits, untilMs)
      } catch (error) {
        if (!isNotFound(error)) throw error
        if (losses > 0) throw this.#lostAgain(error)
        seat = undefined
      }
    }
  }

  /** An instance whose read fails may have gone on: where it is, nobody knows. */
  async #read(seat: Seat, position: LogPosition, limits: FetchLimits, untilMs: number): Promise<Fetched> {
    try {
      const fetched = await this.#poll(seat.instance, position, limits, untilMs)
      const isAtRest = fetched.kind === 'records' && (fetched.records.length > 0 || limits.maxWaitMs > 0)
      if (!isAtRest) await this.#instances.end(seat.instance)
      else await this.#putBack(position, { instance: seat.instance, next: fetched.next })
      return fetched
    } catch (error) {
      await this.#instances.end(seat.instance)
      throw error
    }
  }

  async #poll(instance: Instance, position: LogPosition, limits: FetchLimits, until: number): Promise<Fetched> {
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
      const elsewhere = notInRange(position, range)
      if (elsewhere !== null) return elsewhere
      const isMore = range !== null && range.latest > position.offset
      if (isMore ? stuck >= MAX_STUCK_POLLS : nowMs >= untilMs) return nothing(position)
      if (isMore) {
        stuck += 1
        if (maxBytes !== null) maxBytes = LARGE_BYTES
        untilMs = Math.max(untilMs, deps.nowMs() + MIN_WAIT_MS)
      }
      if (isEarly) await deps.pause(EARLY_PAUSE_MS)
    }
  }

  /**
   * Before the position: the instance was reset, for its partition was made anew. Behind it: what lies between was
   * compacted, or retention took it. The range tells.
   */
  async #check(records: readonly FetchedRecord[], position: LogPosition): Promise<Fetched> {
    const { client, deps, topics } = this.#options
    const [first] = records
    if (first?.offset !== position.offset) {
      const elsewhere = notInRange(position, await topics.offsets(position))
      if (elsewhere !== null) return elsewhere
    }
    requireInOrder(hostOf(client), records, position)
    const nowMs = deps.nowMs()
    const next = (records.at(-1)?.offset ?? position.offset) + 1
    return { kind: 'records', records: records.map((record) => toLogRecord(record, nowMs)), next }
  }

  /**
   * One that would read elsewhere is no use: Confluent's proxy keeps records that it has read and not answered with, and
   * would answer with these first, wherever it is sought.
   */
  async #take(position: LogPosition): Promise<Seat | undefined> {
    const seat = this.#free.get(keyOf(position))
    if (seat === undefined) return undefined
    this.#free.delete(keyOf(position))
    if (seat.next === position.offset) return seat
    await this.#instances.end(seat.instance)
    return undefined
  }

  async #putBack(position: LogPosition, seat: Seat): Promise<void> {
    if (this.#free.has(keyOf(position))) await this.#instances.end(seat.instance)
    else this.#free.set(keyOf(position), seat)
  }

  #lostAgain(error: unknown): KafkaRestError {
    const { client } = this.#options
    const message =
      'does not know the instance it has just made. Behind a load balancer it must be sticky by cookie, or its proxies ' +
      `be named by KAFKA_REST_INSTANCE_HOSTS (${String(error)})`
    return new KafkaRestError(hostOf(client), 'consumer instance', { status: 404, message })
  }
}

function notInRange(position: LogPosition, range: OffsetRange | null): Fetched | null {
  if (range === null) return { kind: 'unknown_topic_or_partition' }
  const isInRange = position.offset >= range.earliest && position.offset <= range.latest
  return isInRange ? null : { kind: 'offset_out_of_range', ...range }
}

function nothing({ offset }: LogPosition): Fetched {
  return { kind: 'records', records: [], next: offset }
}

function keyOf({ topic, partition }: LogPosition): string {
  return `${topic}/${partition}`
}
