// The planner of source topics: records → prefetch schemas → decode → assign shards → one call a shard, and the
// dead-letter topic for records that cannot be decoded. Secrets of proxied requests are removed on the way. If the topic is a
// response topic too, responses go to the requests that wait for them. Called by consume-loop.ts.
import { planDeliveries, type ShardSender } from '../core/delivery/fan-out-tree.ts'
import { emptyRoutedBatch, type RoutedBatch } from '../core/delivery/routed-batch.ts'
import type { ShardRouting } from '../core/shard-map/routing.ts'
import type { LogRecord, TopicPartition } from '../core/events/kafka-record.ts'
import type { TopicRule } from '../core/events/topic-rule.ts'
import { isResponse, parseResponse, type CorrelatedResponse } from '../core/events/correlated-response.ts'
import { MAX_IDS_CHARS } from '../core/identity/user-id.ts'
import type { DecodeError } from '../decoding/decode-error.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import { keepShape } from '../core/kept-shapes.ts'
import { MAX_KEY_CHARS } from '../core/tables/table-rule.ts'
import { decodeByRule } from '../decoding/apply-rule.ts'
import type { DecodedEvent } from '../decoding/decode-record.ts'
import { readsKey, RecordKey } from '../decoding/record-key.ts'
import { withoutCredentials } from '../core/events/request-extension.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { produceInOrder } from '../publishing/dead-letter.ts'
import type { SchemaCache, Schemas } from '../schema-registry/schema-cache.ts'
import { addTombstone } from './tables/assign-rows.ts'
import { assignShards, MAX_CHAR_BYTES, type RouteRules } from './assign-shards.ts'
import type { FollowedShardMap } from './followed-shard-map.ts'
import type { BatchPlan, BatchPlanner, FetchedRecords, RunBudget, Stage } from './consume-loop.ts'
import { DeadLetterBatch } from './dead-letters.ts'
import { prefetchSchemas, type RecordsWithSchemas } from './prefetch-schemas.ts'

/**
 * Limits of a run over a source topic. Calls: 1,000 to Cloudflare's own services is the limit of the free plan, and some
 * are left for the Directory. Time: an alarm is killed after 15 minutes, and a batch of slow brokers may take long.
 */
export const EVENTS_RUN: RunBudget = { batches: 50, calls: 900, ms: 300_000 }

/**
 * Largest sum of event bytes in one stage. A call carries each event once, with its header, and takes at most 32 MiB; an
 * isolate has 128 MB for all calls under way. A fetch has less, unless it was compressed or grows when written as JSON.
 */
const STAGE_BYTES = 4 * 1_048_576

/** A plan ends with this many characters of fields and recipients, which may be 200 times as long as the numbers in their records. */
const CHARS_PER_PLAN = 4 * MAX_IDS_CHARS

/** The bytes that the removal of a row takes besides its key. */
const REMOVAL_BYTES = 64

/** Each response is a call, and a fetch may return thousands of records. */
const RESPONSES_PER_BATCH = 500

/** A planner keeps one small event of each of its last batches, for the event's shape: see core/kept-shapes.ts. */
const KEPT_EVENTS = 16
const MAX_KEPT_BYTES = 4_096

const encoder = new TextEncoder()

export interface EventPlannerOptions extends TopicPartition {
  readonly rules: Omit<RouteRules, 'routing'>
  readonly shardMap: Pick<FollowedShardMap, 'routing' | 'planned'>
  /** The entry of TOPICS for the topic; null if there is none. */
  readonly rule: TopicRule | null
  readonly maxEventBytes: number
  readonly deadLetterTopic: string
  /** Null: no schema registry is configured. */
  readonly schemas: SchemaCache | null
  readonly shards: ShardSender
  /** Calls to shards that one stage may make. */
  readonly fanOut: number
  readonly log: Pick<KafkaLog, 'produce'>
  readonly budget: RunBudget
  /** Told each event, before it is routed. Absent: tracing is not configured. */
  readonly decoded?: ((record: LogRecord, event: CloudEvent) => void) | undefined
  /** Delivers a response; null: the topic has events only. */
  readonly deliver: ((response: CorrelatedResponse) => Promise<void>) | null
}

export class EventPlanner implements BatchPlanner {
  readonly #options: EventPlannerOptions
  readonly #readsKey: boolean
  /** Written only: see KEPT_EVENTS. */
  readonly #recent: object[] = []
  #plans = 0

  constructor(options: EventPlannerOptions) {
    this.#options = options
    this.#readsKey = readsKey(options.rule, options.rules.extractors)
  }

  get budget(): RunBudget {
    return this.#options.budget
  }

  /** Plans the records, or the first of them if the others need too many new schemas at once. */
  plan(fetched: FetchedRecords, generation: number): BatchPlan | Promise<BatchPlan> {
    const cache = this.#options.schemas
    if (cache === null) return this.#planWith(fetched, null, generation)
    return prefetchSchemas(cache, fetched, this.#readsKey).then((prefetched) =>
      this.#planWith(prefetched, prefetched.schemas, generation),
    )
  }

  #planWith({ next, records }: FetchedRecords, schemas: RecordsWithSchemas['schemas'], generation: number): BatchPlan {
    const { routing } = this.#options.shardMap
    const { extractors, interests, recipients, tables } = this.#options.rules
    const rules = { extractors, recipients, interests, tables: tables ?? null, routing }
    const batches = new StagedBatches()
    const deadLetters = new DeadLetterBatch(this.#options.deadLetterTopic)
    const responses: (() => Promise<unknown>)[] = []
    let dropped = 0
    for (const [index, record] of records.entries()) {
      if (responses.length >= RESPONSES_PER_BATCH || batches.chars >= CHARS_PER_PLAN) {
        return this.#toPlan(batches, routing, generation, {
          next: record.offset,
          records: index,
          responses,
          deadLetters,
          dropped,
        })
      }
      const reason = this.#isResponse(record)
        ? this.#respond(record, responses)
        : this.#route(record, schemas, rules, batches)
      if (reason === 'dropped') dropped += 1
      else if (reason !== undefined) deadLetters.add(record, reason, this.#options.rule?.name ?? null)
    }
    const planned = { next, records: records.length, responses, deadLetters, dropped }
    return this.#toPlan(batches, routing, generation, planned)
  }

  #isResponse({ headers }: LogRecord): boolean {
    return this.#options.deliver !== null && isResponse(headers.map(({ key }) => key))
  }

  #respond({ headers, value }: LogRecord, responses: (() => Promise<unknown>)[]): DecodeError | undefined {
    const texts = headers.map(({ key, value: bytes }): [string, string] => [key, new TextDecoder().decode(bytes)])
    // A copy: a fetched value is a view into the buffer of the whole fetch, all of which an RPC would carry.
    const response = parseResponse(texts, value?.slice() ?? new Uint8Array())
    if (!response.ok) return { kind: 'not_an_answer', message: response.reason }
    responses.push(async () => this.#options.deliver?.(response.value))
    return undefined
  }

  /** Returns the dead-letter reason, `dropped` if a rule drops the record, or undefined. Catches everything: one record must not block the partition. */
  #route(
    record: LogRecord,
    schemas: Schemas | null,
    rules: RouteRules,
    batches: StagedBatches,
  ): DecodeError | 'dropped' | undefined {
    const { maxEventBytes, rule } = this.#options
    try {
      const key = new RecordKey(record, schemas)
      const isTombstone = record.value === null && Boolean(rules.tables)
      const removalBytes = isTombstone ? sizeOfRemovals(record, rules) : 0
      const removed = isTombstone ? batches.forBytes(removalBytes) : undefined
      if (removed !== undefined) addTombstone(removed, rules, record, key)
      const decoded = decodeByRule(record, rule, maxEventBytes, schemas, key)
      if (!decoded.ok) return isTombstone && decoded.reason.kind === 'tombstone' ? undefined : decoded.reason
      if (decoded.value === null) return 'dropped'
      const event = toPublicEvent(decoded.value.event)
      this.#options.decoded?.(record, event)
      // A shard that has stored an offset would drop what comes of it in a later batch.
      const batch = batches.forBytes(event.utf8.length, removed)
      const { recipients } = decoded.value
      const assigned = assignShards(batch, rules, event, record, key, recipients, MAX_CHAR_BYTES * removalBytes)
      if (!assigned.ok) return assigned.reason
      batches.chars += assigned.value
      batches.latest = event
      return undefined
    } catch (error) {
      return { kind: 'not_processable', message: String(error) }
    }
  }

  /** Responses are delivered, and dead letters produced, beside the first stage. */
  #toPlan(
    batches: StagedBatches,
    routing: ShardRouting,
    generation: number,
    { next, records, responses, deadLetters, dropped }: Planned,
  ): BatchPlan {
    const { fanOut, log, partition, shardMap, shards, topic } = this.#options
    shardMap.planned(next)
    const { latest } = batches
    if (latest !== null && latest.utf8.length <= MAX_KEPT_BYTES)
      this.#recent[this.#plans++ % KEPT_EVENTS] = latest.parsed
    const source = { topic, partition, generation }
    const ordered = batches.all.flatMap((batch) => routing.inOrder(batch))
    const planned = ordered.map((batch): Stage => planDeliveries(shards, source, fanOut, batch))
    const [first = [], ...later] = planned.filter((stage) => stage.length > 0)
    const { letters: produced, summary } = deadLetters
    const letters = produced.length === 0 ? [] : [() => produceInOrder((some) => log.produce(some), produced)]
    const besides = [...responses, ...letters]
    const stages = first.length + besides.length === 0 ? later : [[...first, ...besides], ...later]
    return { stages, next, records, deadLetters: summary, dropped }
  }
}

/** A tombstone has no text, but a header with its key for each table of its topic. A longer key has no row. */
function sizeOfRemovals({ key }: LogRecord, { tables }: RouteRules): number {
  return (tables?.size ?? 0) * (Math.min(key?.length ?? 0, 3 * MAX_KEY_CHARS) + REMOVAL_BYTES)
}

/** The parts of a plan besides events for shards. */
interface Planned {
  readonly next: number
  readonly records: number
  readonly responses: readonly (() => Promise<unknown>)[]
  readonly deadLetters: DeadLetterBatch
  readonly dropped: number
}

/** A request that became an event loses the caller's credentials before it enters a shard's log. */
function toPublicEvent(event: DecodedEvent): DecodedEvent {
  const stripped = withoutCredentials(event)
  return stripped === event ? event : { ...stripped, utf8: encoder.encode(stripped.json) }
}

/** Splits events into batches of at most STAGE_BYTES, in order. Nearly always there is one. */
class StagedBatches {
  readonly all: RoutedBatch[] = []
  /** Characters that are stored with the events besides their own texts: types, fields and recipients. */
  chars = 0
  /** The event that was routed last. */
  latest: DecodedEvent | null = null
  #bytes = 0

  /** Returns the batch for the next event. `begun`: the one that has the rest of its offset already. */
  forBytes(bytes: number, begun?: RoutedBatch): RoutedBatch {
    const last = this.all.at(-1)
    this.#bytes += bytes
    if (begun !== undefined) return begun
    if (last !== undefined && this.#bytes <= STAGE_BYTES) return last
    const next = emptyRoutedBatch()
    this.all.push(next)
    this.#bytes = bytes
    return next
  }
}

keepShape(new StagedBatches())
