// The topics that are followed now: those that variables name, and those of Kafka that a pattern of KAFKA_SOURCE_TOPICS matches.
// Without patterns nothing is asked.
import { logIncident } from '../telemetry/incident-log.ts'
import type { Config } from '../config/parse-config.ts'
import { followedTopics, isSourceTopic, sourceTopics } from '../config/sources/topic-roles.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { EventLog } from './create-event-log.ts'

/** Topics that patterns match at most: each partition has an object that follows it. */
const MAX_MATCHED = 2_000

/** Returns every followed topic. Throws if the log does not answer. */
export async function listFollowedTopics(config: Config, log: EventLog): Promise<readonly string[]> {
  return [...new Set([...followedTopics(config), ...(await listMatched(config, log))])]
}

/** Returns the topics with events for users. Throws if the log does not answer. */
export async function listSourceTopics(config: Config, log: EventLog): Promise<readonly string[]> {
  return [...new Set([...sourceTopics(config), ...(await listMatched(config, log))])]
}

/** Returns the partitions of all topics with events for users. Throws if the log does not answer. */
export async function listSourcePartitions(config: Config, log: EventLog): Promise<readonly TopicPartition[]> {
  const topics = await listSourceTopics(config, log)
  const lists = await Promise.all(topics.map((topic) => log.partitions(topic)))
  return topics.flatMap((topic, index) => (lists[index] ?? []).map((partition) => ({ topic, partition })))
}

async function listMatched(config: Config, log: EventLog): Promise<readonly string[]> {
  if (config.kafka.topicPatterns.length === 0) return []
  const matched = (await log.topics()).filter((topic) => isSourceTopic(config, topic)).toSorted()
  if (matched.length > MAX_MATCHED)
    logIncident('KAFKA_SOURCE_TOPICS: too many topics match', {}, { matched: matched.length, limit: MAX_MATCHED })
  return matched.slice(0, MAX_MATCHED)
}
