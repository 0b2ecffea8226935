// What each topic is for, by the configuration: events for users, responses to proxied requests, or neither; and who follows it,
// from where. Pure.
import { matchesTopicPattern } from '../../core/events/topic-pattern.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { Config } from '../parse-config.ts'

/**
 * Returns the topics with events for users that variables name, of every source. sources/followed-topics.ts adds those
 * of patterns.
 */
export function sourceTopics({ kafka, kinesis, nats }: Config): readonly string[] {
  return [...kafka.topics, ...(nats?.topics ?? []), ...kinesis.topics]
}

/**
 * Returns whether the topic has events for users: it is named, or a pattern matches it and Rigel does not write to it.
 */
export function isSourceTopic(config: Config, topic: string): boolean {
  const { audit, kafka, proxy } = config
  if (sourceTopics(config).includes(topic)) return true
  const own = [kafka.deadLetterTopic, audit.topic, proxy.requestLogTopic, ...proxy.responseTopics]
  return !own.includes(topic) && kafka.topicPatterns.some((pattern) => matchesTopicPattern(pattern, topic))
}

/** Returns whether the topic is followed. */
export function isFollowed(config: Config, topic: string): boolean {
  return isSourceTopic(config, topic) || config.proxy.responseTopics.includes(topic)
}

/**
 * Returns every topic that is followed and named: those with events for users, and those with responses to proxied
 * requests.
 */
export function followedTopics(config: Config): readonly string[] {
  return [...new Set([...sourceTopics(config), ...config.proxy.responseTopics])]
}

/**
 * Returns whether a topic holds only responses to proxied requests. A source topic may hold responses besides events.
 */
export function isResponseTopic({ kafka, proxy }: Config, topic: string): boolean {
  return proxy.responseTopics.includes(topic) && !kafka.topics.includes(topic)
}

/** Returns whether the topic is followed in the embedded log: then each of its partitions follows itself. */
export function isFollowedHere(config: Config, topic: string): boolean {
  const { brokers, rest, upstash } = config.kafka
  const isEmbedded = brokers === null && rest === null && upstash === null
  return isEmbedded && sourceOf(topic).kind === 'kafka' && followedTopics(config).includes(topic)
}

/** Returns where a follower of the topic starts that has no checkpoint. */
export function autoOffsetResetOf({ kafka }: Config, topic: string): 'earliest' | 'latest' {
  return sourceOf(topic).kind === 'kafka' ? kafka.autoOffsetReset : (kafka.givenOffsetReset ?? 'latest')
}
