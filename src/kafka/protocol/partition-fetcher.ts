// Fetches records of a partition from its leader by offset, and finds the partition's range. Used by brokers-adapter.ts; each
// follower has one.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, FetchPosition, OffsetRange } from '../kafka-log.ts'
import { fetchRecords, type FetchResponse } from './api/fetch.ts'
import { EARLIEST, LATEST, listOffsets, type ListOffsetsRequest } from './api/list-offsets.ts'
import type { ClusterOptions } from './cluster.ts'
import type { ConnectionPurpose } from './connection-pool.ts'
import type { PartitionLeader } from './metadata-cache.ts'
import type { BrokerConnection } from './connection.ts'
import {
  BrokerError,
  OFFSET_NOT_AVAILABLE,
  OFFSET_OUT_OF_RANGE,
  THROTTLING_QUOTA_EXCEEDED,
  throwIfError,
} from './errors.ts'
import { decodeRecords, leaderEpochBefore, skipOversizedBatch } from './fetched-records.ts'

/** Added to the wait that a fetch requests. A slower broker counts as gone. */
const REQUEST_TIMEOUT_MS = 15_000

/** The last version of Fetch that names the topic. Later ones need its id (KIP-516). */
const BY_NAME = 12

/** Limits on waiting for a quota (KIP-219): an alarm may run for 15 minutes. */
const MAX_THROTTLES = 3
const MAX_THROTTLE_MS = 30_000

interface Throttled {
  readonly kind: 'throttled'
  readonly ms: number
}

const NO_EPOCH = -1

/** The part of Cluster that fetching uses, so that tests can replace it. */
type RequestSender = Pick<BrokerConnection, 'send'>
/** The part of Cluster that PartitionFetcher uses. */
export interface FetcherCluster {
  readonly options: Pick<ClusterOptions, 'sleep'>
  withLeader<T>(
    at: TopicPartition,
    purpose: ConnectionPurpose,
    ask: (connection: RequestSender, leader: PartitionLeader) => Promise<T>,
  ): Promise<T | undefined>
}

/** Buffers at most one fetch response. */
export class PartitionFetcher {
  readonly #cluster: FetcherCluster
  /** Records beyond the caller's limit: batches are fetched whole and compressed. */
  #buffered: { readonly at: FetchPosition; readonly records: readonly LogRecord[]; readonly next: number } | null = null

  /** Leader epoch of the last fetched record, by which a leader detects that its log differs (KIP-595). */
  #lastFetchedEpoch: { readonly before: FetchPosition; readonly epoch: number } | null = null

  constructor(cluster: FetcherCluster) {
    this.#cluster = cluster
  }

  /** Returns records from `position` on. Throws when the leader cannot be reached after retries. */
  async fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched> {
    const buffered = this.#buffered
    this.#buffered = null
    if (buffered !== null && isSamePosition(buffered.at, position)) {
      return this.#upTo(limits.maxBytes, position, buffered.records, buffered.next)
    }
    return this.#fetchWithinQuota(position, limits)
  }

  /** A throttled connection must wait: the broker does not read from it, so an earlier request would time out. */
  async #fetchWithinQuota(position: FetchPosition, limits: FetchLimits): Promise<Fetched> {
    for (let throttles = 0; ; throttles += 1) {
      const fetched = await this.#cluster.withLeader(position, 'fetch', (connection, leader) =>
        this.#fetchFrom(connection, leader, position, limits),
      )
      if (fetched?.kind !== 'throttled') return fetched ?? { kind: 'unknown_topic_or_partition' }
      if (throttles === MAX_THROTTLES) {
        throw new BrokerError(THROTTLING_QUOTA_EXCEEDED, describe(position), `no records for ${fetched.ms} ms`)
      }
      await this.#cluster.options.sleep(Math.min(fetched.ms, MAX_THROTTLE_MS))
    }
  }

  /** Returns the range for read_committed consumers: `latest` is the last stable offset. */
  async offsets(at: TopicPartition): Promise<OffsetRange> {
    const range = await this.#cluster.withLeader(at, 'control', (connection, leader) => rangeOf(connection, leader, at))
    if (range === undefined) throw new Error(`Kafka: the partition ${at.topic}/${at.partition} does not exist`)
    return range
  }

  async #fetchFrom(
    connection: RequestSender,
    leader: PartitionLeader,
    position: FetchPosition,
    { maxWaitMs, maxBytes }: FetchLimits,
  ): Promise<Fetched | Throttled> {
    const { topic, partition, offset } = position
    const { topicId, epoch } = leader
    const isAnotherTopic = Boolean(position.topicId) && topicId !== null && topicId !== position.topicId
    if (isAnotherTopic) return outOfRange(connection, leader, position)
    const lastFetchedEpoch = this.#epochBefore({ ...position, topicId })
    const request = { topic, topicId, partition, offset, leaderEpoch: epoch, lastFetchedEpoch, maxWaitMs, maxBytes }
    const timeoutMs = maxWaitMs + REQUEST_TIMEOUT_MS
    const answer = await connection.send(fetchRecords, request, timeoutMs, topicId === null ? BY_NAME : undefined)
    if (answer.errorCode === OFFSET_OUT_OF_RANGE) {
      if (lastFetchedEpoch === NO_EPOCH) return outOfRange(connection, leader, position)
      // A leader that cannot compare the epochs returns the same error, so ask again without the epoch.
      this.#lastFetchedEpoch = null
      return this.#fetchFrom(connection, leader, position, { maxWaitMs, maxBytes })
    }
    throwIfError(answer.errorCode, describe(position))
    if (answer.throttledMs > 0) return { kind: 'throttled', ms: answer.throttledMs }
    if (answer.divergesAt !== null) return this.#truncated(connection, leader, position, answer.divergesAt)
    return this.#decode({ ...position, topicId }, answer, maxBytes)
  }

  #epochBefore(position: FetchPosition): number {
    return this.#lastFetchedEpoch !== null && isSamePosition(this.#lastFetchedEpoch.before, position)
      ? this.#lastFetchedEpoch.epoch
      : NO_EPOCH
  }

  /** An unclean leader election truncated the log. What the new leader wrote after the cut has not been read. */
  async #truncated(
    connection: RequestSender,
    leader: PartitionLeader,
    at: FetchPosition,
    truncatedAt: number,
  ): Promise<Fetched> {
    const { earliest } = await rangeOf(connection, leader, at)
    this.#lastFetchedEpoch = null
    const latest = Math.min(truncatedAt, at.offset - 1)
    return { kind: 'offset_out_of_range', earliest, latest, topicId: leader.topicId }
  }

  #decode(at: FetchPosition, { batches, aborted, isCutOff }: FetchResponse, maxBytes: number): Fetched {
    const decoded = decodeRecords(at, at.offset, batches, aborted)
    const isTooLarge = isCutOff && decoded.next === at.offset
    const { records, next } = isTooLarge ? skipOversizedBatch(at, at.offset, batches) : decoded
    // Since Kafka 0.10.1 (KIP-74) the first batch is complete, whatever its size. An incomplete one is not the end of the log.
    if (batches.length > 0 && next === at.offset) {
      throw new RangeError(
        `Kafka: ${at.topic}/${at.partition} at ${at.offset}: ${batches.length} bytes without a complete batch`,
      )
    }
    if (next > at.offset)
      this.#lastFetchedEpoch = { before: { ...at, offset: next }, epoch: leaderEpochBefore(next, batches) }
    return this.#upTo(maxBytes, at, records, next)
  }

  #upTo(maxBytes: number, at: FetchPosition, records: readonly LogRecord[], next: number): Fetched {
    const { topicId = null } = at
    const count = countUpTo(maxBytes, records)
    const first = records[count]
    if (first === undefined) return { kind: 'records', records, next, topicId }
    this.#buffered = { at: { ...at, offset: first.offset }, records: records.slice(count), next }
    return { kind: 'records', records: records.slice(0, count), next: first.offset, topicId }
  }
}

function describe({ topic, partition, offset }: FetchPosition): string {
  return `fetching ${topic}/${partition} at ${offset}`
}

function isSamePosition(one: FetchPosition, other: FetchPosition): boolean {
  const { topic, partition, offset, topicId } = one
  const isSameTopic = other.topic === topic && (!other.topicId || other.topicId === topicId)
  return isSameTopic && other.partition === partition && other.offset === offset
}

/** Returns how many records fit into `maxBytes`, at least one. */
function countUpTo(maxBytes: number, records: readonly LogRecord[]): number {
  let bytes = 0
  for (const [index, { key, value, headers }] of records.entries()) {
    bytes += (key?.length ?? 0) + (value?.length ?? 0)
    for (const header of headers) bytes += header.key.length + header.value.length
    if (bytes > maxBytes) return Math.max(1, index)
  }
  return records.length
}

async function outOfRange(connection: RequestSender, leader: PartitionLeader, at: FetchPosition): Promise<Fetched> {
  const range = await rangeOf(connection, leader, at)
  const { earliest, latest } = range
  // The log was truncated and has grown since. Where it diverged is unknown, so retry instead of reading all of it again.
  const isSameTopic = leader.topicId !== null && leader.topicId === at.topicId
  if (isSameTopic && earliest <= at.offset && at.offset <= latest) {
    const message = `out of range, but the log now has ${earliest} to ${latest}`
    throw new BrokerError(OFFSET_NOT_AVAILABLE, describe(at), message)
  }
  return { kind: 'offset_out_of_range', ...range, topicId: leader.topicId }
}

async function rangeOf(connection: RequestSender, leader: PartitionLeader, at: TopicPartition): Promise<OffsetRange> {
  const ask = async (timestamp: ListOffsetsRequest['timestamp']) => {
    const request = { topic: at.topic, partition: at.partition, leaderEpoch: leader.epoch, timestamp }
    const { errorCode, offset } = await connection.send(listOffsets, request, REQUEST_TIMEOUT_MS)
    throwIfError(errorCode, `asking for the offsets of ${at.topic}/${at.partition}`)
    return offset
  }
  const [earliest, latest] = await Promise.all([ask(EARLIEST), ask(LATEST)])
  return { earliest, latest }
}
