// Produce by the REST Proxy v2 family: one request a topic, each record's own answer. Resolves only when all are placed;
// what a broker refuses for the moment is sent again, anything else throws. The proxy waits for all replicas (acks=all)
// if it is configured to, which no request can say.
import { z } from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import { toBase64 } from '../../core/bytes.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import { partitionOf } from '../../core/events/partitioner.ts'
import { PARTITIONS_MS, type RestDeps } from './rest-deps.ts'
import { TRAITS } from './dialect.ts'
import { byTopic, placeAll, type Outcome, type Producer } from './produce-with-retry.ts'
import { BINARY_V2, hostOf, jsonOf, parseAnswer, toError, type RestClient } from './rest-client.ts'

const PRODUCE_TIMEOUT_MS = 30_000
/** "Retriable", in Confluent's words and Karapace's. */
const RETRIABLE = new Set([2, 50_003])
/** Redpanda's are Kafka's: no leader, not the leader, too few replicas. Nothing was appended. */
const RETRIABLE_BY_KAFKA = new Set([5, 6, 19])

export interface ProduceOptions {
  readonly client: RestClient
  readonly dialect: Dialect
  readonly partitions: (topic: string) => Promise<readonly number[]>
  readonly deps: Pick<RestDeps, 'nowMs' | 'pause' | 'random' | 'memory'>
}

export function createProducer(options: ProduceOptions): Producer {
  const { client, deps } = options
  return {
    produce: (records) =>
      byTopic(records, async (topic, ofTopic) => {
        const given = await withPartitions(options, topic, ofTopic)
        return placeAll(given, (left) => send(options, topic, left), hostOf(client), deps)
      }),
  }
}

/**
 * Where the proxy's own choice is not Kafka's, or could not be told from its answer. One record is told; and of a topic
 * that is not there yet the proxy knows more than we do.
 */
async function withPartitions(
  { client, deps, dialect, partitions }: ProduceOptions,
  topic: string,
  records: readonly NewRecord[],
): Promise<readonly NewRecord[]> {
  const isTold = dialect === 'redpanda' && records.length === 1
  const isGiven = records.every(({ key, partition }) => partition !== undefined || (dialect === 'karapace' && !key))
  if (!TRAITS[dialect].partitionsHere || isTold || isGiven) return records
  const id = `${client.url} ${topic}`
  const known = deps.memory.partitions.get(id)
  const isFresh = known !== undefined && known.untilMs > deps.nowMs()
  const count = isFresh ? known.count : (await partitions(topic)).length
  if (count === 0) return records
  if (!isFresh) deps.memory.partitions.set(id, { count, untilMs: deps.nowMs() + PARTITIONS_MS })
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
): Promise<readonly Outcome[]> {
  const answer = await client.ask({
    method: 'POST',
    path: `/topics/${encodeURIComponent(topic)}`,
    contentType: BINARY_V2,
    body: JSON.stringify({ records: records.map((record) => toWire(record, dialect)) }),
    timeoutMs: PRODUCE_TIMEOUT_MS,
  })
  // Karapace answers 422 if one record failed, with what became of each.
  const isPerRecord = answer.status < 300 || produced.safeParse(jsonOf(answer)).success
  if (!isPerRecord) throw toError(client, answer)
  const { offsets } = parseAnswer(client, { ...answer, status: 200 }, produced)
  return dialect === 'redpanda' ? spread(records, offsets) : offsets.map((place) => toOutcome(place, RETRIABLE))
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

type Place = z.infer<typeof produced>['offsets'][number]

function toOutcome(place: Place, retriable: ReadonlySet<number>): Outcome {
  const { partition, offset, error_code: code, error, message } = place
  const isPlaced = !code && typeof partition === 'number' && typeof offset === 'number' && offset >= 0
  if (isPlaced) return { kind: 'placed', partition, offset }
  const text = error ?? message ?? `error ${code ?? 'without a code'}`
  if (code !== null && code !== undefined && retriable.has(code)) return { kind: 'retriable', message: text }
  return { kind: 'refused', code: code ?? 0, message: text }
}

/** Redpanda answers the first offset of each partition: its records follow each other in the order they were sent. */
function spread(records: readonly NewRecord[], offsets: readonly Place[]): readonly Outcome[] {
  const seen = new Map<number, number>()
  return records.map(({ partition }): Outcome => {
    const place = partition === undefined ? offsets[0] : offsets.find((one) => one.partition === partition)
    if (place === undefined) return { kind: 'refused', code: 0, message: 'answers nothing for a record' }
    const outcome = toOutcome(place, RETRIABLE_BY_KAFKA)
    if (outcome.kind !== 'placed') return outcome
    const before = seen.get(outcome.partition) ?? 0
    seen.set(outcome.partition, before + 1)
    return { ...outcome, offset: outcome.offset + before }
  })
}

/** Redpanda refuses a null and every name it does not know; Strimzi wants a value, if only null. */
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
