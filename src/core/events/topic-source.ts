// The source that a topic is of. A topic of Kafka, or of the embedded log, has a plain name; `nats:orders.>` is a subject of
// NATS. Kafka's names have no colon, so no two topics have one name. Pure.

/** The sources that have topics. `kafka` is the embedded log, brokers, a REST proxy or Upstash: whichever is configured. */
export type SourceKind = 'kafka' | 'nats'

/** A topic as its source names it: a Kafka topic, or a subject of NATS. */
export interface SourceTopic {
  readonly kind: SourceKind
  readonly name: string
}

/** Returns the source of a topic, and the topic's name there. */
export function sourceOf(topic: string): SourceTopic {
  if (topic.startsWith('nats:')) return { kind: 'nats', name: topic.slice('nats:'.length) }
  return { kind: 'kafka', name: topic }
}

/** Returns the name of a topic in Rigel: in checkpoints, rules, dead letters and API definitions. */
export function topicOf({ kind, name }: SourceTopic): string {
  return kind === 'kafka' ? name : `${kind}:${name}`
}

/**
 * A subject of NATS: tokens separated by dots, each of letters, digits, `_`, `-` and `$`. A token may be `*`, and the last
 * one `>`. NATS takes other characters as well; a slash would end the name of a follower.
 */
export const NATS_SUBJECT = /^(?=.{1,200}$)([\w$-]+|\*)(\.([\w$-]+|\*))*(\.>)?$|^>$/

/** NATS_SUBJECT as an error text. */
export const NATS_SUBJECT_RULE =
  'must be a NATS subject: up to 200 of letters, digits, "_", "-" and "$" in tokens separated by ".", of which one may be "*" and the last one ">"'

/** Returns whether a subject names several subjects. */
export function hasWildcard(subject: string): boolean {
  return /[*>]/.test(subject)
}
