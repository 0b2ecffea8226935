// Reads partitions from their leaders: fetch by offset, and where a partition begins and ends. For the KafkaLog of the
// protocol; one lives in each follower.
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, FetchPosition, OffsetRange } from '../kafka-log.ts'
import { fetchRecords, type FetchResponse } from './api/fetch.ts'
import { EARLIEST, LATEST, listOffsets, type ListOffsetsRequest } from './api/list-offsets.ts'
import type { ClusterOptions, Lane, Leader } from './cluster.ts'
import type { Connection } from './connection.ts'
import {
  BrokerError,
  OFFSET_NOT_AVAILABLE,
  OFFSET_OUT_OF_RANGE,
  THROTTLING_QUOTA_EXCEEDED,
  throwIfError,
} from './errors.ts'
import { decodeRecords, leaderEpochBefore } from './fetched-records.ts'

/** A broker that is slower than this over what it was told to wait is as good as gone. */
const REQUEST_TIMEOUT_MS = 15_000

/** The last version of Fetch that names a topic instead of its id. */
const BY_NAME = 12

/** A fetch waits for its quota this often, and so long each time: the run of an alarm may take 15 minutes. */
const MAX_THROTTLES = 3
const MAX_THROTTLE_MS = 30_000

interface Throttled {
  readonly kind: 'throttled'
  readonly ms: number
}

const NO_EPOCH = -1

/** What it needs of a Cluster, and of its connections. */
type Asking = Pick<Connection, 'send'>
export interface FetcherCluster {
  readonly options: Pick<ClusterOptions, 'sleep'>
  withLeader<T>(
    at: TopicPartition,
    lane: Lane,
    ask: (connection: Asking, leader: Leader) => Promise<T>,
  ): Promise<T | undefined>
}

export class PartitionFetcher {
  readonly #cluster: FetcherCluster
  /** What a fetch brought beyond the caller's limit: batches come whole, and compressed. */
  #kept: { readonly at: FetchPosition; readonly records: readonly LogRecord[]; readonly next: number } | null = null

  /** Who wrote the record before a place: a leader that knows nothing of it has another log (KIP-595). */
  #written: { readonly before: FetchPosition; readonly epoch: number } | null = null

  constructor(cluster: FetcherCluster) {
    this.#cluster = cluster
  }

  async fetch(position: FetchPosition, limits: FetchLimits): Promise<Fetched> {
    const kept = this.#kept
    this.#kept = null
    if (kept !== null && isSamePosition(kept.at, position)) {
      return this.#upTo(limits.maxBytes, position, kept.records, kept.next)
    }
    return this.#fetchWithinQuota(position, limits)
  }

  /** A broker reads no more from a connection that it throttles: what is asked before its time would seem unanswered. */
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

  async offsets(at: TopicPartition): Promise<OffsetRange> {
    const range = await this.#cluster.withLeader(at, 'control', (connection, leader) => rangeOf(connection, leader, at))
    if (range === undefined) throw new Error(`Kafka: there is no ${at.topic}/${at.partition}`)
    return range
  }

  async #fetchFrom(
    connection: Asking,
    leader: Leader,
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
      // Also a leader that cannot compare the logs says so.
      this.#written = null
      return this.#fetchFrom(connection, leader, position, { maxWaitMs, maxBytes })
    }
    throwIfError(answer.errorCode, describe(position))
    if (answer.throttledMs > 0) return { kind: 'throttled', ms: answer.throttledMs }
    if (answer.divergesAt !== null) return this.#cutOff(connection, leader, position, answer.divergesAt)
    return this.#decode({ ...position, topicId }, answer, maxBytes)
  }

  #epochBefore(position: FetchPosition): number {
    return this.#written !== null && isSamePosition(this.#written.before, position) ? this.#written.epoch : NO_EPOCH
  }

  /** By an unclean leader election: what the new leader wrote behind the cut is news, up to the old place and beyond. */
  async #cutOff(connection: Asking, leader: Leader, at: FetchPosition, cutAt: number): Promise<Fetched> {
    const { earliest } = await rangeOf(connection, leader, at)
    this.#written = null
    const latest = Math.min(cutAt, at.offset - 1)
    return { kind: 'offset_out_of_range', earliest, latest, topicId: leader.topicId }
  }

  #decode(at: FetchPosition, { batches, aborted }: FetchResponse, maxBytes: number): Fetched {
    const { records, next } = decodeRecords(at, at.offset, batches, aborted)
    // Since Kafka 0.10.1 the first batch comes whole, whatever the limit. It must not look like the end of the log.
    if (batches.length > 0 && next === at.offset) {
      throw new RangeError(
        `Kafka: ${at.topic}/${at.partition} at ${at.offset}: ${batches.length} bytes, no whole batch`,
      )
    }
    if (next > at.offset) this.#written = { before: { ...at, offset: next }, epoch: leaderEpochBefore(next, batches) }
    return this.#upTo(maxBytes, at, records, next)
  }

  #upTo(maxBytes: number, at: FetchPosition, records: readonly LogRecord[], next: number): Fetched {
    const { topicId = null } = at
    const count = countUpTo(maxBytes, records)
    const first = records[count]
    if (first === undefined) return { kind: 'records', records, next, topicId }
    this.#kept = { at: { ...at, offset: first.offset }, records: records.slice(count), next }
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

/** One at least. */
function countUpTo(maxBytes: number, records: readonly LogRecord[]): number {
  let bytes = 0
  for (const [index, { key, value, headers }] of records.entries()) {
    bytes += (key?.length ?? 0) + (value?.length ?? 0)
    for (const header of headers) bytes += header.key.length + header.value.length
    if (bytes > maxBytes) return Math.max(1, index)
  }
  return records.length
}

async function outOfRange(connection: Asking, leader: Leader, at: FetchPosition): Promise<Fetched> {
  const range = await rangeOf(connection, leader, at)
  const { earliest, latest } = range
  // Cut off, and grown since: where the log is the same up to, nobody knows any more, but not that all of it is news.
  const isSameTopic = leader.topicId !== null && leader.topicId === at.topicId
  if (isSameTopic && earliest <= at.offset && at.offset <= latest) {
    const message = `out of range, but the log has ${earliest} to ${latest} now`
    throw new BrokerError(OFFSET_NOT_AVAILABLE, describe(at), message)
  }
  return { kind: 'offset_out_of_range', ...range, topicId: leader.topicId }
}

async function rangeOf(connection: Asking, leader: Leader, at: TopicPartition): Promise<OffsetRange> {
  const ask = async (timestamp: ListOffsetsRequest['timestamp']) => {
    const request = { topic: at.topic, partition: at.partition, leaderEpoch: leader.epoch, timestamp }
    const { errorCode, offset } = await connection.send(listOffsets, request, REQUEST_TIMEOUT_MS)
    throwIfError(errorCode, `asking for the offsets of ${at.topic}/${at.partition}`)
    return offset
  }
  const [earliest, latest] = await Promise.all([ask(EARLIEST), ask(LATEST)])
  return { earliest, latest }
}
