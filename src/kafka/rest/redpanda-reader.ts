// Reads through Redpanda's HTTP Proxy, which fetches by offset without a consumer instance. It has no routes for partitions
// and offsets, so both are found by trial fetches and their errors. Responses are whole batches: records before the offset
// are dropped here, and a transaction marker is a response without records. For create-rest-log.ts.
import { partitionName, type LogPosition, type TopicPartition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../kafka-log.ts'
import { PARTITION_COUNT_TTL_MS, type RestDeps } from './rest-deps.ts'
import { createInstance, deleteInstance, poll, subscribe } from './consumer-instance.ts'
import { fetchedRecords, assertInOrder, toLogRecord, type FetchedRecord } from './records.ts'
import { countFromZero, findRange } from './redpanda-range.ts'
import { BINARY_V2, hostOf, parseResponse, toError, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'
import type { TopicReader } from './topics.ts'

const POLL_GRACE_MS = 10_000
const CAP_BYTES = 16_777_216
/** Old proxies return at once when there is nothing to read. The next request waits this long. */
const EARLY_PAUSE_MS = 250
/** The proxy's code for Kafka's errors. Its message names the error: `offset_out_of_range`. */
const BAD_REQUEST = 40_002
const PARTITION_NOT_FOUND = 40_402
/** One batch is returned whatever its size. */
const PROBE = { waitMs: 0, maxBytes: 1 }
/** Polls of a topic-wide consumer before the search for a known offset gives up. */
const KNOWN_OFFSET_POLLS = 5

type RangeProbe =
  | { readonly kind: 'records'; readonly records: readonly FetchedRecord[] }
  | { readonly kind: 'out_of_range' }
  | { readonly kind: 'unknown' }

/** The proxy, the hosts that an instance's URL may name, and what the reader needs of its runtime. */
export interface RedpandaOptions {
  readonly client: RestClient
  readonly instanceHosts: readonly string[]
  readonly deps: Pick<RestDeps, 'nowMs' | 'sleep' | 'newId' | 'cache'>
}

/** An offset that was in range when last probed for, and where the range began then. */
interface PartitionBounds {
  readonly knownOffset: number
  readonly earliest: number
}

/** Implements both the reader and the topic queries for the `redpanda` dialect. */
export class RedpandaReader implements TopicReader {
  readonly #options: RedpandaOptions
  readonly #known = new Map<string, PartitionBounds>()

  constructor(options: RedpandaOptions) {
    this.#options = options
  }

  async fetch(position: LogPosition, { maxBytes, maxWaitMs }: FetchLimits): Promise<Fetched> {
    const { deps } = this.#options
    const untilMs = deps.nowMs() + maxWaitMs
    for (;;) {
      const startedMs = deps.nowMs()
      const waitMs = Math.max(0, untilMs - startedMs)
      const probed = await this.#probe(position, position.offset, { waitMs, maxBytes })
      if (probed.kind === 'unknown') return { kind: 'unknown_topic_or_partition' }
      if (probed.kind === 'out_of_range') return this.#resolveOutOfRange(position)
      this.#remember(position, position.offset)
      if (probed.records.length > 0) return this.#toFetched(probed.records)
      const nowMs = deps.nowMs()
      const isEarly = nowMs - startedMs < waitMs / 2 || waitMs === 0
      const passed = isEarly ? await this.#passMarker(position, maxBytes) : null
      if (passed !== null) return passed
      if (nowMs >= untilMs) return { kind: 'records', records: [], next: position.offset }
      if (isEarly) await deps.sleep(Math.min(EARLY_PAUSE_MS, untilMs - nowMs))
    }
  }

  async partitions(topic: string): Promise<readonly number[]> {
    const { client, deps } = this.#options
    const key = `${client.url} ${topic}`
    const exists = async (partition: number) => (await this.#probe({ topic, partition }, 0, PROBE)).kind !== 'unknown'
    const known = deps.cache.partitions.get(key)?.count ?? 0
    // Counting up from the old count would miss a topic that was deleted, or recreated with fewer partitions.
    const stillExists = known === 0 || (await exists(known - 1))
    const now = await countFromZero(exists, stillExists ? known : 0)
    if (now > 0) deps.cache.partitions.set(key, { count: now, untilMs: deps.nowMs() + PARTITION_COUNT_TTL_MS })
    return Array.from({ length: now }, (_, partition) => partition)
  }

  async offsets(at: TopicPartition): Promise<OffsetRange | null> {
    const known = this.#known.get(partitionName(at))
    for (const knownOffset of new Set([known?.knownOffset ?? 0, 0])) {
      const probed = await this.#probe(at, knownOffset, PROBE)
      if (probed.kind === 'unknown') return null
      if (probed.kind === 'records') return this.#findRange(at, knownOffset)
    }
    return this.#findRange(at, await this.#findKnownOffset(at))
  }

  async #resolveOutOfRange(position: LogPosition): Promise<Fetched> {
    const range = await this.offsets(position)
    if (range === null) return { kind: 'unknown_topic_or_partition' }
    const isInRange = position.offset >= range.earliest && position.offset <= range.latest
    if (isInRange) return { kind: 'records', records: [], next: position.offset }
    return { kind: 'offset_out_of_range', ...range }
  }

  /**
   * There is no record at the position but one after it: a transaction marker or a compacted record. Asks again, because a
   * record may have arrived in between.
   */
  async #passMarker(position: LogPosition, maxBytes: number): Promise<Fetched | null> {
    const behind = await this.#probe(position, position.offset + 1, PROBE)
    if (behind.kind !== 'records') return null
    const again = await this.#probe(position, position.offset, { waitMs: 0, maxBytes })
    if (again.kind !== 'records') return null
    if (again.records.length > 0) return this.#toFetched(again.records)
    return { kind: 'records', records: [], next: position.offset + 1 }
  }

  async #findRange(at: TopicPartition, knownOffset: number): Promise<OffsetRange> {
    const isInRange = async (offset: number) => (await this.#probe(at, offset, PROBE)).kind === 'records'
    // A recreated topic begins at 0 again, so the remembered start is only a first guess.
    const once = this.#known.get(partitionName(at))?.earliest ?? 0
    const range = await findRange(isInRange, knownOffset, knownOffset >= once ? once : 0)
    this.#known.set(partitionName(at), { knownOffset: range.latest, earliest: range.earliest })
    return range
  }

  /** Reads the topic with a consumer, which starts at the first record of each partition. */
  async #findKnownOffset(at: TopicPartition): Promise<number> {
    const { client, deps, instanceHosts } = this.#options
    // A group of its own: another member would be assigned the partition.
    const name = `rigel-${deps.newId()}`
    const instance = await createInstance(client, { dialect: 'redpanda', name, group: name, instanceHosts })
    try {
      await subscribe(client, instance, at.topic)
      for (let polls = 0; polls < KNOWN_OFFSET_POLLS; polls += 1) {
        const limits = { waitMs: 1_000, maxBytes: 1_048_576, capBytes: CAP_BYTES }
        const records = await poll(client, instance, limits)
        const found = records.find(({ topic, partition }) => topic === at.topic && partition === at.partition)
        if (found !== undefined) return found.offset
      }
    } finally {
      await deleteInstance(client, instance)
    }
    const message = `does not tell the offsets of ${partitionName(at)}, and the partition has no record to find them by`
    throw new KafkaRestError(hostOf(client), 'offsets', { status: 200, message })
  }

  async #probe(
    { topic, partition }: TopicPartition,
    offset: number,
    { waitMs, maxBytes }: { readonly waitMs: number; readonly maxBytes: number },
  ): Promise<RangeProbe> {
    const { client } = this.#options
    const query = `offset=${offset}&timeout=${waitMs}&max_bytes=${maxBytes}`
    const answer = await client.request({
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
    const records = parseResponse(client, answer, fetchedRecords).filter((record) => record.offset >= offset)
    assertInOrder(hostOf(client), records, { topic, partition, offset })
    return { kind: 'records', records }
  }

  #toFetched(records: readonly FetchedRecord[]): Fetched {
    const nowMs = this.#options.deps.nowMs()
    const next = (records.at(-1)?.offset ?? 0) + 1
    return { kind: 'records', records: records.map((record) => toLogRecord(record, nowMs)), next }
  }

  #remember(at: TopicPartition, knownOffset: number): void {
    this.#known.set(partitionName(at), { knownOffset, earliest: this.#known.get(partitionName(at))?.earliest ?? 0 })
  }
}
