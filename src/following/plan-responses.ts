// The planner of response topics (`response_from: kafka`): records → the PendingResponses objects whose requests wait for
// them. Called by consume-loop.ts. A record that is no response becomes a dead letter; a response that no request waits
// for is dropped by its PendingResponses object.
import { parseResponse, parseEventResponse, type CorrelatedResponse } from '../core/events/correlated-response.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import { fail, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { produceInOrder } from '../publishing/dead-letter.ts'
import type { BatchPlan, BatchPlanner, FetchedRecords, RunBudget } from './consume-loop.ts'
import { DeadLetterBatch } from './dead-letters.ts'

/** Each response is a call, and a fetch may return thousands of records. */
const RESPONSES_PER_BATCH = 500

/** Including the last batch, a run makes fewer calls than the 1,000 that the free plan allows an invocation. */
const RESPONSES_RUN: RunBudget = { batches: 50, calls: 400, ms: 300_000 }

const NO_BYTES = new Uint8Array()

export interface ResponsePlannerOptions {
  readonly deadLetterTopic: string
  readonly log: Pick<KafkaLog, 'produce'>
  deliver(response: CorrelatedResponse): Promise<void>
}

export class ResponsePlanner implements BatchPlanner {
  readonly budget = RESPONSES_RUN
  readonly #options: ResponsePlannerOptions

  constructor(options: ResponsePlannerOptions) {
    this.#options = options
  }

  /** Plans the first RESPONSES_PER_BATCH records. The others come with the next fetch. */
  plan(fetched: FetchedRecords): BatchPlan {
    const { deadLetterTopic, log } = this.#options
    const records = fetched.records.slice(0, RESPONSES_PER_BATCH)
    const next = fetched.records[RESPONSES_PER_BATCH]?.offset ?? fetched.next
    const deadLetters = new DeadLetterBatch(deadLetterTopic)
    const calls: (() => Promise<unknown>)[] = []
    for (const record of records) {
      const response = readRecord(record)
      if (response.ok) calls.push(() => this.#options.deliver(withOwnBody(response.value)))
      else deadLetters.add(record, { kind: 'not_an_answer', message: response.reason }, null)
    }
    const { letters, summary } = deadLetters
    if (letters.length > 0) calls.push(() => produceInOrder((some) => log.produce(some), letters))
    return { stages: [calls], next, records: records.length, deadLetters: summary }
  }
}

/** A fetched value is a view into the buffer of the whole fetch, all of which an RPC would carry. */
function withOwnBody({ answer, correlation }: CorrelatedResponse): CorrelatedResponse {
  return { correlation, answer: { ...answer, body: answer.body.slice() } }
}

/** RIG 3's binary mode if the record has its header, else the event of RIG 2. */
function readRecord({ headers, value }: LogRecord): Result<CorrelatedResponse, string> {
  // Header values that are not UTF-8, such as a tracer's bytes, cannot be HTTP headers of a response: they are left out.
  const texts = headers.map(({ key, value: bytes }): [string, string] => [key, new TextDecoder().decode(bytes)])
  if (texts.some(([name]) => name.toLowerCase() === 'rig-correlation')) return parseResponse(texts, value ?? NO_BYTES)
  const text = decodeUtf8(value ?? NO_BYTES)
  return text === undefined ? fail('the event is not UTF-8') : parseEventResponse(text)
}
