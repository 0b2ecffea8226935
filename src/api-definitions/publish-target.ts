// Targets of requests that become events: a Kafka topic, a subject of NATS, or a stream of Kinesis. Used by the parsers of both formats.
import { TOPIC_NAME, TOPIC_NAME_RULE } from '../core/events/topic-name.ts'
import {
  hasWildcard,
  KINESIS_STREAM,
  KINESIS_STREAM_RULE,
  NATS_SUBJECT,
  NATS_SUBJECT_RULE,
  topicOf,
  type SourceKind,
} from '../core/events/topic-source.ts'
import { fail, ok, type Result } from '../core/result.ts'

/** The values of RIG's `target` for which a request is published. */
export const PUBLISH_TARGETS = ['kafka', 'nats', 'kinesis'] as const satisfies readonly SourceKind[]

/** Returns the topic (`orders`, `nats:orders`, `kinesis:orders`) that requests are published to, or what its name must be. */
export function parsePublishTopic(kind: SourceKind, name: string): Result<string, string> {
  if (kind === 'nats' && hasWildcard(name)) return fail('must be one subject of NATS, without * and >')
  if (kind === 'nats' && !NATS_SUBJECT.test(name)) return fail(NATS_SUBJECT_RULE)
  if (kind === 'kinesis' && !KINESIS_STREAM.test(name)) return fail(KINESIS_STREAM_RULE)
  if (kind === 'kafka' && !TOPIC_NAME.test(name)) return fail(TOPIC_NAME_RULE)
  return ok(topicOf({ kind, name }))
}

/** Splits `kafka:orders`. Returns undefined for other targets, such as URLs. */
export function splitPublishTarget(target: string): { readonly kind: SourceKind; readonly name: string } | undefined {
  const colon = target.indexOf(':')
  const kind = PUBLISH_TARGETS.find((one) => one === target.slice(0, colon))
  return kind === undefined ? undefined : { kind, name: target.slice(colon + 1) }
}
