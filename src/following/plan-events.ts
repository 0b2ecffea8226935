// The records of a source topic → what has to be done with them: decode, route, append to shards, or the dead-letter
// topic. What the engine runs for events; sort-answers.ts is the other.
import type { LogRecord, NewRecord } from '../core/events/kafka-record.ts'
import { planDeliveries, type ShardSender } from '../core/delivery/fan-out-tree.ts'
import { emptyRoutedBatch, type RoutedBatch } from '../core/delivery/routed-batch.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'
import { deadLetter, produceInOrder } from '../publishing/dead-letter.ts'
import { decodeRecord, type DecodeReason } from '../decoding/decode-record.ts'
import type { BatchPlan, Stage } from './consume-loop.ts'
import { assignShards, type RouteRules } from './assign-shards.ts'

/**
 * Of events' texts in one stage. A call carries each event once, with its head, and takes 32 MiB; an isolate has 128 MB for
 * those under way. A fetch brings less, unless it was compressed or becomes longer as JSON.
 */
const STAGE_BYTES = 4 * 1_048_576

export interface PlanEventsDeps extends ShardSender {
  readonly topic: string
  readonly partition: number
  readonly rules: RouteRules
  readonly maxEventBytes: number
  readonly deadLetterTopic: string
  /** Those that the records name; null: there is no schema registry. */
  readonly schemas: Schemas | null
  /** Calls to shards that a stage may make. */
  readonly fanOut: number
  produce(records: readonly NewRecord[]): Promise<unknown>
}

/** In the order of the records: a stage has what fits in a call, nearly always all of it. */
export function planEvents(deps: PlanEventsDeps, records: readonly LogRecord[], generation: number): BatchPlan {
  const { fanOut, partition, topic } = deps
  const staged = new Staged()
  const deadLetters: NewRecord[] = []
  for (const record of records) {
    const reason = decodeAndRoute(deps, staged, record)
    if (reason !== undefined) deadLetters.push(deadLetter(deps.deadLetterTopic, record, reason))
  }
  const stages = staged.all.map((routes): Stage =>
    planDeliveries(deps, { topic, partition, generation }, fanOut, routes),
  )
  const [first = [], ...later] = stages
  const letters = () => produceInOrder((some) => deps.produce(some), deadLetters)
  return { stages: deadLetters.length > 0 ? [[...first, letters], ...later] : stages, deadLetters: deadLetters.length }
}

class Staged {
  readonly all: RoutedBatch[] = []
  #bytes = 0

  /** Where an event of so many bytes goes. */
  for(bytes: number): RoutedBatch {
    const last = this.all.at(-1)
    this.#bytes += bytes
    if (last !== undefined && this.#bytes <= STAGE_BYTES) return last
    const next = emptyRoutedBatch()
    this.all.push(next)
    this.#bytes = bytes
    return next
  }
}

/** Undefined, or why the record is a dead letter. Whatever it does to us: those behind it must come through. */
function decodeAndRoute(deps: PlanEventsDeps, staged: Staged, record: LogRecord): DecodeReason | undefined {
  try {
    const decoded = decodeRecord(record, deps.maxEventBytes, deps.schemas)
    if (!decoded.ok) return decoded.reason
    const routed = assignShards(staged.for(decoded.value.utf8.length), deps.rules, decoded.value, record.offset)
    return routed.ok ? undefined : { kind: 'invalid_recipients', message: routed.reason }
  } catch (error) {
    return { kind: 'not_processable', message: String(error) }
  }
}
