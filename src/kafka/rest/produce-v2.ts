// Produces by the REST Proxy API v2: one request per topic, one result per record. Temporarily refused records are sent again;
// other errors throw. Whether the proxy waits for all replicas (acks=all) is its own configuration; no request can say it.
import * as z from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import { toBase64 } from '../../core/bytes.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import { partitionOf } from '../../core/events/partitioner.ts'
import { PARTITION_COUNT_TTL_MS, type RestDeps } from './rest-deps.ts'
import { TRAITS } from './dialect.ts'
import { produceByTopic, produceWithRetry, type ProduceOutcome, type RecordProducer } from './produce-with-retry.ts'
import { BINARY_V2, hostOf, parseJsonBody, parseResponse, toError, type RestClient } from './rest-client.ts'

const PRODUCE_TIMEOUT_MS = 30_000
/** Codes that Confluent's proxy and Karapace call retriable. */
const RETRIABLE = new Set([2, 50_003])
/** Redpanda returns Kafka's codes: no leader, not the leader, too few replicas. Nothing was appended. */
const RETRIABLE_BY_KAFKA = new Set([5, 6, 19])

/** What the producer needs. `partitions` lists the partitions of a topic. */
export interface ProduceOptions {
  readonly client: RestClient
  readonly dialect: Dialect
  readonly partitions: (topic: string) => Promise<readonly number[]>
  readonly deps: Pick<RestDeps, 'nowMs' | 'sleep' | 'random' | 'cache'>
}

/** Produces in the given dialect. */
export function createV2Producer(options: ProduceOptions): RecordProducer {
  const { client, deps } = options
  return {
    produce: (records) =>
      produceByTopic(records, async (topic, ofTopic) => {
        const given = await withPartitions(options, topic, ofTopic)
        return produceWithRetry(given, (left) => send(options, topic, left), hostOf(client), deps)
      }),
  }
}

/**
 * Chooses partitions where the proxy does not use Kafka's partitioner (Karapace), or where its response does not tell the
 * partition of each record (Redpanda, with several records). Leaves it to the proxy if the topic does not exist yet.
 */
async function withPartitions(
  { client, deps, dialect, partitions }: ProduceOptions,
  topic: string,
  records: readonly NewRecord[],
): Promise<readonly NewRecord[]> {
  const isReported = dialect === 'redpanda' && records.length === 1
  const isGiven = records.every(({ key, partition }) => partition !== undefined || (dialect === 'karapace' && !key))
  if (!TRAITS[dialect].choosesPartition || isReported || isGiven) return records
  const id = `${client.url} ${topic}`
  const known = deps.cache.partitions.get(id)
  const isFresh = known !== undefined && known.untilMs > deps.nowMs()
  const count = isFresh ? known.count : (await partitions(topic)).length
  if (count === 0) return records
  if (!isFresh) deps.cache.partitions.set(id, { count, untilMs: deps.nowMs() + PARTITION_COUNT_TTL_MS })
  const sticky = Math.floor(deps.random() * count)
  return records.map((record) => {
    if (record.partition !== undefined || (dialect === 'karapace' && !record.key)) return record
    return { ...record, partition: record.key ? partitionOf(record.key, count) : sticky }
  })
}

async function send(
  { client, dialect }: ProduceOptions,
  topic: string,
  records: readonly NewRecord[],
): Promise<readonly ProduceOutcome[]> {
  const answer = await client.request({
    method: 'POST',
    path: `/topics/${encodeURIComponent(topic)}`,
    contentType: BINARY_V2,
    body: JSON.stringify({ records: records.map((record) => toWire(record, dialect)) }),
    timeoutMs: PRODUCE_TIMEOUT_MS,
  })
  // Karapace returns 422 if one record failed, with a result for each.
  const isPerRecord = answer.status < 300 || produced.safeParse(parseJsonBody(answer)).success
  if (!isPerRecord) throw toError(client, answer)
  const { offsets } = parseResponse(client, { ...answer, status: 200 }, produced)
  return dialect === 'redpanda' ? expandOffsets(records, offsets) : offsets.map((place) => toOutcome(place, RETRIABLE))
}

const produced = z.object({
  offsets: z.array(
    z.object({
      partition: z.number().int().nullish(),
      offset: z.number().int().nullish(),
      error_code: z.number().int().nullish(),
      error: z.string().nullish(),
      message: z.string().nullish(),
    }),
  ),
})

type ProxyOffset = z.infer<typeof produced>['offsets'][number]

function toOutcome(place: ProxyOffset, retriable: ReadonlySet<number>): ProduceOutcome {
  const { partition, offset, error_code: code, error, message } = place
  const isAcked = !code && typeof partition === 'number' && typeof offset === 'number' && offset >= 0
  if (isAcked) return { kind: 'acked', partition, offset }
  const text = error ?? message ?? `error ${code ?? 'without a code'}`
  if (code !== null && code !== undefined && retriable.has(code)) return { kind: 'retriable', message: text }
  return { kind: 'refused', code: code ?? 0, message: text }
}

/** Redpanda returns the first offset of each partition; the records follow it in the order they were sent. */
function expandOffsets(records: readonly NewRecord[], offsets: readonly ProxyOffset[]): readonly ProduceOutcome[] {
  const seen = new Map<number, number>()
  return records.map(({ partition }): ProduceOutcome => {
    const place = partition === undefined ? offsets[0] : offsets.find((one) => one.partition === partition)
    if (place === undefined) return { kind: 'refused', code: 0, message: 'the response has no result for a record' }
    const outcome = toOutcome(place, RETRIABLE_BY_KAFKA)
    if (outcome.kind !== 'acked') return outcome
    const before = seen.get(outcome.partition) ?? 0
    seen.set(outcome.partition, before + 1)
    return { ...outcome, offset: outcome.offset + before }
  })
}

/** Redpanda refuses null values and unknown fields; Strimzi requires a value, even if null. */
function toWire({ key, partition, value, headers = [] }: NewRecord, dialect: Dialect): Record<string, unknown> {
  const isStrimzi = dialect === 'strimzi'
  return {
    ...(key ? { key: toBase64(key) } : {}),
    ...(value === null ? (isStrimzi ? { value: null } : {}) : { value: toBase64(value) }),
    ...(partition === undefined ? {} : { partition }),
    ...(isStrimzi && headers.length > 0
      ? { headers: headers.map((header) => ({ key: header.key, value: toBase64(header.value) })) }
      : {}),
  }
}
