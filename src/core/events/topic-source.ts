// Derives a topic's source from its name. A topic of Kafka or of the embedded log has a plain name, `nats:orders.>` is
// a NATS subject, and `kinesis:clicks` a Kinesis stream. Kafka's topic names cannot contain a colon, so names are
// unique. Pure.

/**
 * The sources that have topics. `kafka` is the embedded log, brokers, a REST proxy or Upstash: whichever is
 * configured.
 */
export type SourceKind = 'kafka' | 'nats' | 'kinesis'

/** A topic as its source names it: a Kafka topic, a subject of NATS, or a stream of Kinesis. */
export interface SourceTopic {
  readonly kind: SourceKind
  readonly name: string
}

/** Returns the source of a topic, and the topic's name there. */
export function sourceOf(topic: string): SourceTopic {
  if (topic.startsWith('nats:')) return { kind: 'nats', name: topic.slice('nats:'.length) }
  if (topic.startsWith('kinesis:')) return { kind: 'kinesis', name: topic.slice('kinesis:'.length) }
  return { kind: 'kafka', name: topic }
}

/** Returns the name of a topic in Rigel: in checkpoints, rules, dead letters and API definitions. */
export function topicOf({ kind, name }: SourceTopic): string {
  return kind === 'kafka' ? name : `${kind}:${name}`
}

/**
 * A subject of NATS: tokens separated by dots, each of letters, digits, `_`, `-` and `$`. A token may be `*`, and the
 * last one `>`. NATS itself allows more characters. A slash is excluded because it separates topic and partition in a
 * follower's name.
 */
export const NATS_SUBJECT = /^(?=.{1,200}$)([\w$-]+|\*)(\.([\w$-]+|\*))*(\.>)?$|^>$/

/** NATS_SUBJECT as an error text. */
export const NATS_SUBJECT_RULE =
  'must be a NATS subject: up to 200 of letters, digits, "_", "-" and "$" in tokens separated by ".", of which one may be "*" and the last one ">"'

/** The name of a Kinesis stream (API reference, CreateStream). */
export const KINESIS_STREAM = /^[\w.-]{1,128}$/

/** KINESIS_STREAM as an error text. */
export const KINESIS_STREAM_RULE = 'must be the name of a Kinesis stream: 1 to 128 of letters, digits, "_", "." and "-"'

/** Returns whether a subject names several subjects. */
export function hasWildcard(subject: string): boolean {
  return /[*>]/.test(subject)
}
