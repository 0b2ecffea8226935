// Redpanda's HTTP Proxy: fetch by offset without an instance. It has no routes for partitions and offsets, so these are
// found out by fetching: what is unknown and what is out of range it says by its errors. Its answers are whole batches:
// records before the offset are left out here, and markers of transactions are an answer without records.
import type { LogPosition, TopicPartition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../kafka-log.ts'
import { PARTITIONS_MS, type RestDeps } from './rest-deps.ts'
import { createInstance, deleteInstance, poll, subscribe } from './consumer-instance.ts'
import { fetchedRecords, requireInOrder, toLogRecord, type FetchedRecord } from './records.ts'
import { count, findRange } from './redpanda-range.ts'
import { BINARY_V2, hostOf, parseAnswer, toError, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'
import type { Topics } from './topics.ts'

const POLL_GRACE_MS = 10_000
const CAP_BYTES = 16_777_216
/** Proxies of old answer at once when there is nothing: they are not asked again at once. */
const EARLY_PAUSE_MS = 250
/** Kafka's refusals, of which the message says which: `offset_out_of_range`. */
const BAD_REQUEST = 40_002
const PARTITION_NOT_FOUND = 40_402
/** One batch is answered whatever its size. */
const PROBE = { waitMs: 0, maxBytes: 1 }
/** So often a consumer of the whole topic is asked for a record of the partition. */
const FOOTHOLD_POLLS = 5

type Asked =
  | { readonly kind: 'records'; readonly records: readonly FetchedRecord[] }
  | { readonly kind: 'out_of_range' }
  | { readonly kind: 'unknown' }

export interface RedpandaOptions {
  readonly client: RestClient
  readonly instanceHosts: readonly string[]
  readonly deps: Pick<RestDeps, 'nowMs' | 'pause' | 'newId' | 'memory'>
}

/** What is known of a partition: an offset that was in range when it was last asked for, and where the range began. */
interface Known {
  readonly foothold: number
  readonly earliest: number
}

export class RedpandaLog implements Topics {
  readonly #options: RedpandaOptions
  readonly #known = new Map<string, Known>()

  constructor(options: RedpandaOptions) {
    this.#options = options
  }

  async fetch(position: LogPosition, { maxBytes, maxWaitMs }: FetchLimits): Promise<Fetched> {
    const { deps } = this.#options
    const untilMs = deps.nowMs() + maxWaitMs
    for (;;) {
      const startedMs = deps.nowMs()
      const waitMs = Math.max(0, untilMs - startedMs)
      const asked = await this.#ask(position, position.offset, { waitMs, maxBytes })
      if (asked.kind === 'unknown') return { kind: 'unknown_topic_or_partition' }
      if (asked.kind === 'out_of_range') return this.#outOfRange(position)
      this.#remember(position, position.offset)
      if (asked.records.length > 0) return this.#toFetched(asked.records)
      const nowMs = deps.nowMs()
      const isEarly = nowMs - startedMs < waitMs / 2 || waitMs === 0
      const passed = isEarly ? await this.#passMarker(position, maxBytes) : null
      if (passed !== null) return passed
      if (nowMs >= untilMs) return { kind: 'records', records: [], next: position.offset }
      if (isEarly) await deps.pause(Math.min(EARLY_PAUSE_MS, untilMs - nowMs))
    }
  }

  async partitions(topic: string): Promise<readonly number[]> {
    const { client, deps } = this.#options
    const key = `${client.url} ${topic}`
    const isThere = async (partition: number) => (await this.#ask({ topic, partition }, 0, PROBE)).kind !== 'unknown'
    const known = deps.memory.partitions.get(key)?.count ?? 0
    // What is counted up from what it once was does not see a topic that is gone, or was made anew with fewer.
    const isStillThere = known === 0 || (await isThere(known - 1))
    const now = await count(isThere, isStillThere ? known : 0)
    if (now > 0) deps.memory.partitions.set(key, { count: now, untilMs: deps.nowMs() + PARTITIONS_MS })
    return Array.from({ length: now }, (_, partition) => partition)
  }

  async offsets(at: TopicPartition): Promise<OffsetRange | null> {
    const known = this.#known.get(keyOf(at))
    for (const foothold of new Set([known?.foothold ?? 0, 0])) {
      const asked = await this.#ask(at, foothold, PROBE)
      if (asked.kind === 'unknown') return null
      if (asked.kind === 'records') return this.#findRange(at, foothold)
    }
    return this.#findRange(at, await this.#findFoothold(at))
  }

  async #outOfRange(position: LogPosition): Promise<Fetched> {
    const range = await this.offsets(position)
    if (range === null) return { kind: 'unknown_topic_or_partition' }
    const isInRange = position.offset >= range.earliest && position.offset <= range.latest
    if (isInRange) return { kind: 'records', records: [], next: position.offset }
    return { kind: 'offset_out_of_range', ...range }
  }

  /**
   * Nothing at the position, and something behind it: a marker of a transaction, or what compaction took. Asked once more,
   * since a record may have come in between.
   */
  async #passMarker(position: LogPosition, maxBytes: number): Promise<Fetched | null> {
    const behind = await this.#ask(position, position.offset + 1, PROBE)
    if (behind.kind !== 'records') return null
    const again = await this.#ask(position, position.offset, { waitMs: 0, maxBytes })
    if (again.kind !== 'records') return null
    if (again.records.length > 0) return this.#toFetched(again.records)
    return { kind: 'records', records: [], next: position.offset + 1 }
  }

  async #findRange(at: TopicPartition, foothold: number): Promise<OffsetRange> {
    const isInRange = async (offset: number) => (await this.#ask(at, offset, PROBE)).kind === 'records'
    // A topic made anew begins at 0 again: what it was once known to begin at is no more than a first guess.
    const once = this.#known.get(keyOf(at))?.earliest ?? 0
    const range = await findRange(isInRange, foothold, foothold >= once ? once : 0)
    this.#known.set(keyOf(at), { foothold: range.latest, earliest: range.earliest })
    return range
  }

  /** A consumer of the whole topic begins at the first record of each partition. */
  async #findFoothold(at: TopicPartition): Promise<number> {
    const { client, deps, instanceHosts } = this.#options
    // A group of its own: one that shares it would be given the partition.
    const name = `rigel-${deps.newId()}`
    const instance = await createInstance(client, { dialect: 'redpanda', name, group: name, instanceHosts })
    try {
      await subscribe(client, instance, at.topic)
      for (let polls = 0; polls < FOOTHOLD_POLLS; polls += 1) {
        const limits = { waitMs: 1_000, maxBytes: 1_048_576, capBytes: CAP_BYTES }
        const records = await poll(client, instance, limits)
        const found = records.find(({ topic, partition }) => topic === at.topic && partition === at.partition)
        if (found !== undefined) return found.offset
      }
    } finally {
      await deleteInstance(client, instance)
    }
    const message = `does not say which offsets ${keyOf(at)} has, and it holds no record to find them by`
    throw new KafkaRestError(hostOf(client), 'offsets', { status: 200, message })
  }

  async #ask(
    { topic, partition }: TopicPartition,
    offset: number,
    { waitMs, maxBytes }: { readonly waitMs: number; readonly maxBytes: number },
  ): Promise<Asked> {
    const { client } = this.#options
    const query = `offset=${offset}&timeout=${waitMs}&max_bytes=${maxBytes}`
    const answer = await client.ask({
      method: 'GET',
      path: `/topics/${encodeURIComponent(topic)}/partitions/${partition}/records?${query}`,
      accept: BINARY_V2,
      timeoutMs: waitMs + POLL_GRACE_MS,
      maxBytes: CAP_BYTES,
    })
    if (answer.status >= 400) {
      const error = toError(client, answer)
      if (error.code === PARTITION_NOT_FOUND) return { kind: 'unknown' }
      if (error.code === BAD_REQUEST && /out.of.range/i.test(error.message)) return { kind: 'out_of_range' }
      throw error
    }
    const records = parseAnswer(client, answer, fetchedRecords).filter((record) => record.offset >= offset)
    requireInOrder(hostOf(client), records, { topic, partition, offset })
    return { kind: 'records', records }
  }

  #toFetched(records: readonly FetchedRecord[]): Fetched {
    const nowMs = this.#options.deps.nowMs()
    const next = (records.at(-1)?.offset ?? 0) + 1
    return { kind: 'records', records: records.map((record) => toLogRecord(record, nowMs)), next }
  }

  #remember(at: TopicPartition, foothold: number): void {
    this.#known.set(keyOf(at), { foothold, earliest: this.#known.get(keyOf(at))?.earliest ?? 0 })
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
