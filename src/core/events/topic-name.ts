// Kafka's rule for topic names (org.apache.kafka.common.internals.Topic): one place for configuration, API definitions,
// the Kafka REST endpoint and pushed positions. Pure.

/** The rule as a pattern, for schemas. */
export const TOPIC_NAME = /^(?!\.\.?$)[A-Za-z0-9._-]{1,249}$/

/** The rule as an error text: what a topic name must be. */
export const TOPIC_NAME_RULE =
  'must be a Kafka topic name: 1 to 249 of letters, digits, ".", "_" and "-", but not "." or ".."'

/** Returns whether Kafka takes the text as the name of a topic. Broker versions before 0.10 took names up to 255. */
export function isTopicName(text: string): boolean {
  return TOPIC_NAME.test(text)
}
