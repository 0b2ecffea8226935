// Decodes one record as a follower would, with the steps of plan-events.ts. Pure. Called by http/admin/explain.
import { topicRuleOf } from '../config/topics.ts'
import type { Config } from '../config/parse-config.ts'
import { isResponseTopic } from '../config/sources/topic-roles.ts'
import { isResponse } from '../core/events/correlated-response.ts'
import { extractFields, extractRecipients } from '../core/events/extractors.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import { withoutCredentials } from '../core/events/request-extension.ts'
import type { CloudEvent, RoutedEvent } from '../core/events/stored-event.ts'
import { ShardRouting } from '../core/shard-map/routing.ts'
import { initialMap, type ShardMap } from '../core/shard-map/shard-map.ts'
import type { Cause } from '../core/explain/cause.ts'
import { decodeByRule } from '../decoding/apply-rule.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-error.ts'
import { readsKey, RecordKey } from '../decoding/record-key.ts'
import { checkSize } from './assign-shards.ts'
import { readRecordSource } from '../decoding/rule-values.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'

export interface ExplainedEvent {
  /** The entry of TOPICS that applied; null if none did. */
  readonly rule: string | null
  /** The event that subscribers get. If it was a request, its credentials are removed. */
  readonly event: CloudEvent
  readonly fields: RoutedEvent['fields']
  /** Null: everybody who subscribes to its type. */
  readonly recipients: readonly string[] | null
}

/** Each shard stores the same of an event without recipients: one shard is enough to know whether it can. */
const ONE_SHARD = { shardsOf: () => new Set([0]), watchersOf: () => new Set<number>() }

/** Returns whether schemas of keys must be fetched to explain the topic's records. */
export function topicReadsKey({ extractors, topicRules }: Config, topic: string): boolean {
  return readsKey(topicRuleOf(topicRules, topic), extractors)
}

/**
 * Returns the event and its recipients, or the reason why the record is not an event for users. `map`: by which users are in shards;
 * absent: as many shards as are configured.
 */
export function explainRecord(
  record: LogRecord,
  config: Config,
  schemas: Schemas | null,
  map: ShardMap = initialMap(config.shards),
): ExplainedEvent | { readonly cause: Cause } {
  const { extractors, maxEventBytes, proxy, recipients, topicRules } = config
  const takesResponses = proxy.responseTopics.includes(record.topic)
  if (isResponseTopic(config, record.topic)) return { cause: { kind: 'is_response' } }
  if (takesResponses && isResponse(record.headers.map(({ key }) => key))) return { cause: { kind: 'is_response' } }
  const rule = topicRuleOf(topicRules, record.topic)
  const name = rule?.name ?? null
  const key = new RecordKey(record, schemas)
  const decoded = decodeByRule(record, rule, maxEventBytes, schemas, key)
  if (!decoded.ok) return deadLetter(decoded.reason, name)
  if (decoded.value === null) return { cause: { kind: 'dropped_by_rule', rule: name ?? '' } }
  const { recipients: byRule } = decoded.value
  const event = withoutCredentials(decoded.value.event)
  const fields = extractFields(extractors, event.type, event.parsed, (source) => readRecordSource(source, record, key))
  if (key.problem !== null) return deadLetter(key.problem, name)
  const found =
    byRule === null
      ? extractRecipients(recipients, event.type, event.parsed)
      : ({ kind: 'users', users: byRule } as const)
  if (found.kind === 'invalid') return deadLetter(found.error, name)
  const users = found.kind === 'users' ? found.users : null
  const utf8 = new TextEncoder().encode(event.json)
  const routed = { offset: record.offset, type: event.type, utf8, fields, recipients: null }
  const stored = checkSize({ routing: new ShardRouting(map), interests: ONE_SHARD }, routed, users)
  if (!stored.ok) return deadLetter(stored.reason, name)
  return { rule: name, event, fields, recipients: users }
}

function deadLetter(error: DecodeError, rule: string | null): { readonly cause: Cause } {
  return { cause: { kind: 'dead_letter', code: error.kind, reason: describeDecodeError(error), rule } }
}
