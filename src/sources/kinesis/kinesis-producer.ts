// Puts records into Kinesis streams. Records that Kinesis refuses temporarily are sent again, which can change the
// order of records that have the same key. Used by kinesis-log.ts.
import { toBase64 } from '../../core/bytes.ts'
import { sizeOfRecord, type NewRecord, type ProducedRecord } from '../../core/events/kafka-record.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import { isObject } from '../../core/json.ts'
import { backoffMs } from '../../core/retry.ts'
import { splitBySize } from '../../core/split-by-size.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { KinesisError, type KinesisCall } from './kinesis-client.ts'

/** Limits of PutRecords. */
const MAX_RECORDS = 500
const MAX_BYTES = 4 * 1_048_576
const MAX_KEY_CHARS = 256

const ATTEMPTS = 6
const BACKOFF = { baseMs: 100, capMs: 2_000 }

/** Random numbers, ids and time, so that tests can control them. */
export interface KinesisProducerDeps {
  readonly random: () => number
  readonly newId: () => string
  readonly sleep: (ms: number) => Promise<void>
}

interface PutEntry {
  readonly Data: string
  readonly PartitionKey: string
}

/** Resolves when all records are stored. Their offsets are -1: Rigel counts offsets only when it reads. */
export async function putRecords(
  call: KinesisCall,
  records: readonly NewRecord[],
  deps: KinesisProducerDeps,
): Promise<readonly ProducedRecord[]> {
  for (const [topic, own] of Map.groupBy(records, (record) => record.topic)) {
    for (const batch of splitBySize(own, sizeOfRecord, MAX_BYTES)) {
      for (let from = 0; from < batch.length; from += MAX_RECORDS) {
        const entries = batch.slice(from, from + MAX_RECORDS).map((record) => toEntry(record, deps))
        await putAll(call, sourceOf(topic).name, entries, deps)
      }
    }
  }
  return records.map(({ topic }) => ({ topic, partition: -1, offset: -1, timestampMs: -1 }))
}

async function putAll(
  call: KinesisCall,
  stream: string,
  entries: readonly PutEntry[],
  { random, sleep }: KinesisProducerDeps,
): Promise<void> {
  let waiting = entries
  for (let attempt = 1; ; attempt += 1) {
    const answer = await call('PutRecords', { StreamName: stream, Records: waiting })
    const results = Array.isArray(answer['Records']) ? answer['Records'].filter(isObject) : []
    const failed = results.filter((result) => result['ErrorCode'] !== undefined && result['ErrorCode'] !== null)
    if (failed.length === 0) return
    const [first] = failed
    if (attempt === ATTEMPTS) {
      throw new KinesisError('PutRecords', String(first?.['ErrorCode']), String(first?.['ErrorMessage']))
    }
    waiting = waiting.filter((_, index) => failed.includes(results[index] ?? {}))
    await sleep(backoffMs(attempt, random(), BACKOFF))
  }
}

/** A record without a key gets a random partition key, as with RIG. */
function toEntry({ key, value }: NewRecord, { newId }: KinesisProducerDeps): PutEntry {
  const text = key === undefined || key === null ? '' : (decodeUtf8(key) ?? toBase64(key))
  return {
    Data: toBase64(value ?? new Uint8Array()),
    PartitionKey: text === '' ? newId() : Array.from(text).slice(0, MAX_KEY_CHARS).join(''),
  }
}
