// Produces records at the stand-in bridge: the fields that each dialect accepts and returns, and Confluent's REST v3. `failures`
// are the errors of the next records.
import type { AppendRecord, Backend, StoredHeader } from './bridge-backend.ts'
import { BINARY_V2, parseBody, Refused, requireContentType } from './bridge-http.ts'
import type { BridgeAnswer, BridgeRequest } from './bridge-http.ts'
import type { BridgeDialect, Failure } from './bridge-options.ts'

interface WireRecord {
  readonly key?: unknown
  readonly value?: unknown
  readonly partition?: unknown
  readonly headers?: unknown
}

const FIELDS: Readonly<Record<BridgeDialect, readonly string[]>> = {
  redpanda: ['key', 'value', 'partition'],
  confluent: ['key', 'value', 'partition'],
  karapace: ['key', 'value', 'partition'],
  strimzi: ['key', 'value', 'partition', 'headers'],
}

/** A record, where it goes, and what has been ordered to become of it. */
interface Wanted {
  readonly record: AppendRecord
  readonly partition: number
  readonly failure: Failure | undefined
}

export interface ProduceOptions {
  readonly dialect: BridgeDialect
  readonly backend: Backend
  /** Of the next records, in order; null: none. */
  readonly failures: (Failure | null)[]
  /** Kafka's: by key, without a key any. */
  readonly partitionOf: (key: string, partitions: number) => number
}

export async function produce(options: ProduceOptions, request: BridgeRequest, topic: string): Promise<BridgeAnswer> {
  requireContentType(request, BINARY_V2)
  const records = parseRecords(options.dialect, request)
  const count = await options.backend.partitions(topic)
  if (count === null) throw new Refused(404, 40_401, `Topic ${topic} not found.`)
  const sticky = Math.floor(Math.random() * count)
  const wanted = records.map(({ key, partition, ...record }): Wanted => {
    const text = typeof key === 'string' ? key : null
    const chosen = typeof partition === 'number' ? partition : choose(options, text, count, sticky)
    return {
      record: toAppend(options.dialect, text, record),
      partition: chosen,
      failure: options.failures.shift() ?? undefined,
    }
  })
  return options.dialect === 'redpanda' ? byPartition(options, topic, wanted) : oneByOne(options, topic, wanted)
}

function parseRecords(dialect: BridgeDialect, request: BridgeRequest): readonly WireRecord[] {
  const { records } = parseBody(request)
  if (!Array.isArray(records) || records.length === 0) throw new Refused(422, 422, 'Invalid request format')
  for (const record of records as Record<string, unknown>[]) {
    const strange = Object.keys(record).find((field) => !FIELDS[dialect].includes(field))
    const hasNull = dialect === 'redpanda' && Object.values(record).includes(null)
    const isIncomplete = dialect === 'strimzi' && !('value' in record)
    if (strange !== undefined || hasNull || isIncomplete)
      throw new Refused(422, 422, `Invalid record: ${JSON.stringify(record)}`)
  }
  return records as WireRecord[]
}

function toAppend(dialect: BridgeDialect, key: string | null, { headers, value }: WireRecord): AppendRecord {
  // Karapace has no tombstones: nothing is no bytes.
  const none = dialect === 'karapace' ? '' : null
  return { key, value: typeof value === 'string' ? value : none, headers: (headers ?? []) as StoredHeader[] }
}

/** Karapace's client hashes by CRC32: here, anything but Kafka's. */
function choose({ dialect, partitionOf }: ProduceOptions, key: string | null, count: number, sticky: number): number {
  if (key === null) return sticky
  return dialect === 'karapace' ? (partitionOf(key, count) + 1) % count : partitionOf(key, count)
}

async function oneByOne(options: ProduceOptions, topic: string, wanted: readonly Wanted[]): Promise<BridgeAnswer> {
  const { backend, dialect } = options
  const count = (await backend.partitions(topic)) ?? 0
  const offsets: object[] = []
  for (const { failure, partition, record } of wanted) {
    if (partition >= count) offsets.push({ error_code: 40_402, error: `Partition ${partition} not found` })
    else if (failure !== undefined) offsets.push(toFailure(dialect, failure))
    else {
      const offset = await backend.append(topic, partition, [record])
      offsets.push(
        dialect === 'confluent' ? { partition, offset, error_code: null, error: null } : { partition, offset },
      )
    }
  }
  const hasFailed = dialect === 'karapace' && offsets.some((place) => 'error_code' in place)
  return { status: hasFailed ? 422 : 200, body: { key_schema_id: null, value_schema_id: null, offsets } }
}

function toFailure(dialect: BridgeDialect, { error, error_code: code }: Failure): object {
  if (dialect === 'strimzi') return { error_code: code, message: error }
  return dialect === 'confluent'
    ? { partition: null, offset: null, error_code: code, error }
    : { error_code: code, error }
}

/** One batch a partition, and one answer for it: the offset of its first. */
async function byPartition(
  { backend }: ProduceOptions,
  topic: string,
  wanted: readonly Wanted[],
): Promise<BridgeAnswer> {
  const offsets: object[] = []
  for (const [partition, batch] of Map.groupBy(wanted, (one) => one.partition)) {
    const failure = batch.find((one) => one.failure !== undefined)?.failure
    if (failure !== undefined) offsets.push({ partition, error_code: failure.error_code, offset: -1 })
    else
      offsets.push({
        partition,
        offset: await backend.append(
          topic,
          partition,
          batch.map(({ record }) => record),
        ),
      })
  }
  // In no order that anybody could rely on.
  return { status: 200, body: { offsets: offsets.toReversed() } }
}

interface V3Record {
  readonly partition_id?: number
  readonly headers?: readonly { readonly name: string; readonly value: string }[]
  readonly key?: { readonly data: string }
  readonly value?: { readonly data: string }
  readonly timestamp?: string
}

export async function produceV3(options: ProduceOptions, request: BridgeRequest, topic: string): Promise<BridgeAnswer> {
  requireContentType(request, 'application/json')
  const { backend, failures, partitionOf } = options
  const count = await backend.partitions(topic)
  if (count === null) throw new Refused(404, 40_403, 'This server does not host this topic-partition.')
  let reports = ''
  for (const line of request.body.split('\n')) {
    const record = JSON.parse(line) as V3Record
    const key = record.key?.data ?? null
    const partition = record.partition_id ?? (key === null ? 0 : partitionOf(key, count))
    const failure = failures.shift()
    if (failure) {
      reports += JSON.stringify({ error_code: failure.error_code, message: failure.error })
      continue
    }
    const timestampMs = record.timestamp === undefined ? Date.now() : Date.parse(record.timestamp)
    const headers = (record.headers ?? []).map(({ name, value }) => ({ key: name, value }))
    const append = { key, value: record.value?.data ?? null, headers, timestampMs }
    const offset = await backend.append(topic, partition, [append])
    const time = new Date(timestampMs).toISOString()
    reports += JSON.stringify({ error_code: 200, topic_name: topic, partition_id: partition, offset, timestamp: time })
  }
  return { status: 200, text: reports, contentType: 'application/json' }
}
