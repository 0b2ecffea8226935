// The records of a response topic → the desks where requests wait for them (`response_from: kafka`). One that answers
// nothing that can be waited for is a dead letter; one that nobody waits for any more is dropped by its desk.
import { parseResponse, parseEventResponse, type CorrelatedResponse } from '../core/events/correlated-response.ts'
import type { LogRecord, NewRecord } from '../core/events/kafka-record.ts'
import { fail, type Result } from '../core/result.ts'
import { deadLetter, produceInOrder } from '../publishing/dead-letter.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { RunBudget, FetchedRecords, Prepared, BatchPlan } from './consume-loop.ts'

/** Each is a call of its own, and a fetch may bring thousands. */
const ANSWERS_AT_ONCE = 500

/** With the last batch, fewer calls than the 1,000 that the free plan allows an invocation. */
export const ANSWERS_RUN: RunBudget = { batches: 50, calls: 400 }

const NO_BYTES = new Uint8Array()
const NO_SCHEMAS: Prepared['schemas'] = new Map()

/** The first of those fetched: the others come with the next fetch. An answer is passed on as it is, without its schema. */
export function prefetchForResponses({ next, records, ...fetched }: FetchedRecords): Prepared {
  const first = records.slice(0, ANSWERS_AT_ONCE)
  return { ...fetched, records: first, next: records[ANSWERS_AT_ONCE]?.offset ?? next, schemas: NO_SCHEMAS }
}

export interface PlanResponsesDeps {
  readonly deadLetterTopic: string
  deliver(answer: CorrelatedResponse): Promise<void>
  produce(records: readonly NewRecord[]): Promise<unknown>
}

export function planResponses(deps: PlanResponsesDeps, records: readonly LogRecord[]): BatchPlan {
  const deadLetters: NewRecord[] = []
  const work: (() => Promise<unknown>)[] = []
  for (const record of records) {
    const answer = readRecord(record)
    if (answer.ok) work.push(() => deps.deliver(detached(answer.value)))
    else deadLetters.push(deadLetter(deps.deadLetterTopic, record, { kind: 'not_an_answer', message: answer.reason }))
  }
  if (deadLetters.length > 0) work.push(() => produceInOrder((letters) => deps.produce(letters), deadLetters))
  return { stages: [work], deadLetters: deadLetters.length }
}

/** A fetched value is a view of the whole fetch, all of which would cross each call. */
function detached({ answer, correlation }: CorrelatedResponse): CorrelatedResponse {
  return { correlation, answer: { ...answer, body: answer.body.slice() } }
}

/** RIG 3's binary mode by its header, else the event of RIG 2. */
function readRecord({ headers, value }: LogRecord): Result<CorrelatedResponse, string> {
  // A header that is not UTF-8, such as a tracer's bytes, can't be a header of an answer, and is left out of it.
  const texts = headers.map(({ key, value: bytes }): [string, string] => [key, new TextDecoder().decode(bytes)])
  if (texts.some(([name]) => name.toLowerCase() === 'rig-correlation')) return parseResponse(texts, value ?? NO_BYTES)
  const text = decodeUtf8(value ?? NO_BYTES)
  return text === undefined ? fail('the event is not UTF-8') : parseEventResponse(text)
}
