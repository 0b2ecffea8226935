// Produces records through a REST proxy and retries those that a broker refuses temporarily. Succeeds only when every record
// is acknowledged. The requests themselves are in produce-v2.ts and produce-v3.ts.
import { backoffMs, type BackoffLimits } from '../../core/retry.ts'
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { RestDeps } from './rest-deps.ts'
import { KafkaRestError } from './rest-error.ts'

const MAX_ATTEMPTS = 3
const BACKOFF: BackoffLimits = { baseMs: 400, capMs: 2_000, jitter: 'half' }

/** Resolves when all records are acknowledged, with their positions in the order given. */
export interface RecordProducer {
  produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]>
}

/** The proxy's report on one record. */
export type ProduceOutcome =
  | { readonly kind: 'acked'; readonly partition: number; readonly offset: number; readonly timestampMs?: number }
  | { readonly kind: 'retriable'; readonly message: string }
  | { readonly kind: 'refused'; readonly code: number; readonly message: string }

/**
 * Throws a KafkaRestError unless all records are acknowledged. A record that is sent again may be stored after later ones;
 * a broker that temporarily refuses one record of a partition usually refuses all of them.
 */
export async function produceWithRetry(
  records: readonly NewRecord[],
  sendAll: (records: readonly NewRecord[]) => Promise<readonly ProduceOutcome[]>,
  host: string,
  deps: Pick<RestDeps, 'nowMs' | 'sleep' | 'random'>,
): Promise<readonly ProducedRecord[]> {
  const produced: ProducedRecord[] = []
  let remaining = records.map((record, index) => ({ record, index }))
  for (let attempt = 1; remaining.length > 0; attempt += 1) {
    const outcomes = await sendAll(remaining.map(({ record }) => record))
    const again: typeof remaining = []
    for (const [at, one] of remaining.entries()) {
      const outcome = outcomes[at] ?? NO_OUTCOME
      if (outcome.kind === 'acked') produced[one.index] = toProducedRecord(one.record, outcome, deps.nowMs())
      else if (outcome.kind === 'retriable' && attempt < MAX_ATTEMPTS) again.push(one)
      else throw toProduceError(host, one.record, outcome)
    }
    remaining = again
    if (remaining.length > 0) await deps.sleep(backoffMs(attempt, deps.random(), BACKOFF))
  }
  return produced
}

const NO_OUTCOME: ProduceOutcome = { kind: 'refused', code: 200, message: 'the response has no report for a record' }

/** The v2 API does not return timestamps; the current time is close. */
function toProducedRecord(
  record: NewRecord,
  place: Extract<ProduceOutcome, { kind: 'acked' }>,
  nowMs: number,
): ProducedRecord {
  const { partition, offset, timestampMs = nowMs } = place
  return { topic: record.topic, partition, offset, timestampMs }
}

function toProduceError(
  host: string,
  { topic }: NewRecord,
  outcome: Exclude<ProduceOutcome, { kind: 'acked' }>,
): KafkaRestError {
  const code = outcome.kind === 'refused' ? outcome.code : 503
  return new KafkaRestError(host, `produce to ${topic}`, { status: 200, code, message: outcome.message })
}

/** Produces each group of records separately, and returns the positions in the order of `records`. */
export async function produceGrouped<K>(
  records: readonly NewRecord[],
  keyOf: (record: NewRecord) => K,
  produce: (key: K, part: readonly NewRecord[]) => Promise<readonly ProducedRecord[]>,
): Promise<readonly ProducedRecord[]> {
  const produced: ProducedRecord[] = []
  for (const [key, part] of Map.groupBy(records.entries(), ([, record]) => keyOf(record))) {
    const own = part.map(([, record]) => record)
    const partProduced = await produce(key, own)
    for (const [at, [index]] of part.entries()) {
      const position = partProduced[at]
      if (position !== undefined) produced[index] = position
    }
  }
  return produced
}

/** Produces the records of each topic separately: the REST APIs accept one topic per request. */
export async function produceByTopic(
  records: readonly NewRecord[],
  produce: (topic: string, part: readonly NewRecord[]) => Promise<readonly ProducedRecord[]>,
): Promise<readonly ProducedRecord[]> {
  return produceGrouped(records, ({ topic }) => topic, produce)
}
