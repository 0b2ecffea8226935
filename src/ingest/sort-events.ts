// The records of a source topic → what has to be done with them: decode, route, append to shards, or the dead-letter
// topic. What the engine runs for events; sort-answers.ts is the other.
import type { LogRecord, NewRecord } from '../core/log-record.ts'
import { packEvents, type AppendBatch } from '../core/pack.ts'
import type { Schemas } from '../schema/schemas.ts'
import { deadLetter, produceInOrder } from './dead-letter.ts'
import { decodeRecord, type DecodeReason } from './decode.ts'
import type { Sorted } from './engine.ts'
import { route, type RouteRules, type Routes } from './route.ts'

export interface EventSortDeps {
  readonly topic: string
  readonly partition: number
  readonly rules: RouteRules
  readonly maxEventBytes: number
  readonly deadLetterTopic: string
  /** Those that the records name; null: there is no schema registry. */
  readonly schemas: Schemas | null
  append(shard: number, batch: AppendBatch): Promise<void>
  produce(records: readonly NewRecord[]): Promise<unknown>
}

/** One append a shard, in the order of the records. */
export function sortEvents(deps: EventSortDeps, records: readonly LogRecord[], generation: number): Sorted {
  const { topic, partition } = deps
  const routes: Routes = new Map()
  const deadLetters: NewRecord[] = []
  for (const record of records) {
    const reason = decodeAndRoute(deps, routes, record)
    if (reason !== undefined) deadLetters.push(deadLetter(deps.deadLetterTopic, record, reason))
  }
  const appends = [...routes].map(
    ([shard, events]) =>
      () =>
        deps.append(shard, { topic, partition, generation, packs: packEvents(events) }),
  )
  const work =
    deadLetters.length > 0
      ? [...appends, () => produceInOrder((letters) => deps.produce(letters), deadLetters)]
      : appends
  return { work, deadLetters: deadLetters.length }
}

/** Undefined, or why the record is a dead letter. Whatever it does to us: those behind it must come through. */
function decodeAndRoute(deps: EventSortDeps, routes: Routes, record: LogRecord): DecodeReason | undefined {
  try {
    const decoded = decodeRecord(record, deps.maxEventBytes, deps.schemas)
    if (!decoded.ok) return decoded.reason
    const routed = route(routes, deps.rules, decoded.value, record.offset)
    return routed.ok ? undefined : { kind: 'invalid_recipients', message: routed.reason }
  } catch (error) {
    return { kind: 'not_processable', message: String(error) }
  }
}
