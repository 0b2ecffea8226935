// How records come to their places, whatever the protocol: sent in parts, answered one by one, those that a broker refuses
// for the moment sent again, and only when all are placed a success. produce.ts and v3-producer.ts send.
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { RestDeps } from './rest-deps.ts'
import { KafkaRestError } from './rest-error.ts'

const MAX_ATTEMPTS = 3
const RETRY_BASE_MS = 200

export interface Producer {
  produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]>
}

/** What became of one record. */
export type Outcome =
  | { readonly kind: 'placed'; readonly partition: number; readonly offset: number; readonly timestampMs?: number }
  | { readonly kind: 'retriable'; readonly message: string }
  | { readonly kind: 'refused'; readonly code: number; readonly message: string }

/**
 * Throws unless all are placed. What is sent again may come behind what was sent after it: a broker that refuses one
 * record of a partition for the moment mostly refuses them all.
 */
export async function placeAll(
  records: readonly NewRecord[],
  sendAll: (records: readonly NewRecord[]) => Promise<readonly Outcome[]>,
  host: string,
  deps: Pick<RestDeps, 'nowMs' | 'pause' | 'random'>,
): Promise<readonly ProducedRecord[]> {
  const places: ProducedRecord[] = []
  let left = records.map((record, index) => ({ record, index }))
  for (let attempt = 1; left.length > 0; attempt += 1) {
    const outcomes = await sendAll(left.map(({ record }) => record))
    const again: typeof left = []
    for (const [at, one] of left.entries()) {
      const outcome = outcomes[at] ?? NO_OUTCOME
      if (outcome.kind === 'placed') places[one.index] = toPlace(one.record, outcome, deps.nowMs())
      else if (outcome.kind === 'retriable' && attempt < MAX_ATTEMPTS) again.push(one)
      else throw toFailure(host, one.record, outcome)
    }
    left = again
    if (left.length > 0) await deps.pause(RETRY_BASE_MS * 2 ** attempt * (0.5 + deps.random() / 2))
  }
  return places
}

const NO_OUTCOME: Outcome = { kind: 'refused', code: 200, message: 'answers nothing for a record' }

/** The v2 family does not say which time a record was given: then it is about now. */
function toPlace(record: NewRecord, place: Extract<Outcome, { kind: 'placed' }>, nowMs: number): ProducedRecord {
  const { partition, offset, timestampMs = nowMs } = place
  return { topic: record.topic, partition, offset, timestampMs }
}

function toFailure(host: string, { topic }: NewRecord, outcome: Exclude<Outcome, { kind: 'placed' }>): KafkaRestError {
  const code = outcome.kind === 'refused' ? outcome.code : 503
  return new KafkaRestError(host, `produce to ${topic}`, { status: 200, code, message: outcome.message })
}

/** In parts, with the places in the order of the whole. */
export async function inParts<K>(
  records: readonly NewRecord[],
  keyOf: (record: NewRecord) => K,
  produce: (key: K, part: readonly NewRecord[]) => Promise<readonly ProducedRecord[]>,
): Promise<readonly ProducedRecord[]> {
  const places: ProducedRecord[] = []
  for (const [key, part] of Map.groupBy(records.entries(), ([, record]) => keyOf(record))) {
    const own = part.map(([, record]) => record)
    const placed = await produce(key, own)
    for (const [at, [index]] of part.entries()) {
      const place = placed[at]
      if (place !== undefined) places[index] = place
    }
  }
  return places
}

export async function byTopic(
  records: readonly NewRecord[],
  produce: (topic: string, part: readonly NewRecord[]) => Promise<readonly ProducedRecord[]>,
): Promise<readonly ProducedRecord[]> {
  return inParts(records, ({ topic }) => topic, produce)
}
