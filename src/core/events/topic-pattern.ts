// Patterns of Kafka topics in KAFKA_SOURCE_TOPICS: `*` stands for any number of characters, also none. Pure.

/** Characters of Kafka's topic names, and at least one `*`. */
export const TOPIC_PATTERN = /^(?=.{1,249}$)[A-Za-z0-9._-]*(\*[A-Za-z0-9._-]*)+$/

/** Returns whether an entry of KAFKA_SOURCE_TOPICS is a pattern. */
export function isTopicPattern(text: string): boolean {
  return text.includes('*')
}

/**
 * Returns whether the pattern matches the topic. Topics that begin with `_` are internal ones, of Kafka
 * (`__consumer_offsets`) or its tools (`_schemas`): none matches.
 */
export function matchesTopicPattern(pattern: string, topic: string): boolean {
  if (topic.startsWith('_')) return false
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop() ?? ''
  const end = topic.length - last.length
  if (!topic.startsWith(first) || !topic.endsWith(last) || end < first.length) return false
  let at = first.length
  for (const part of rest) {
    const found = topic.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
