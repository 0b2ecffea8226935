// Finds rules of TOPICS for topics that are not followed: such a rule would never apply.
import { isTopicPattern, matchesTopicPattern } from '../../core/events/topic-pattern.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import { topicName } from '../env-fields.ts'

/** The variables that name the followed topics, parsed. */
export interface SourceTopicVariables {
  readonly KAFKA_SOURCE_TOPICS: readonly string[]
  readonly NATS_SOURCE_TOPICS: readonly string[]
  readonly KINESIS_STREAM: readonly string[]
}

/** Returns the problems of a topic name, with the `effect` of one that is not followed. Empty if the topic is followed. */
export function topicNameProblems(
  topic: string,
  v: SourceTopicVariables,
  effect = 'the rule would never apply',
): readonly string[] {
  const { kind, name } = sourceOf(topic)
  const neverApplies = (variable: string) => [`is not one of ${variable}, so ${effect}`]
  if (kind === 'nats') return v.NATS_SOURCE_TOPICS.includes(name) ? [] : neverApplies('NATS_SOURCE_TOPICS')
  if (kind === 'kinesis') return v.KINESIS_STREAM.includes(name) ? [] : neverApplies('KINESIS_STREAM')
  if (!topicName.safeParse(name).success) return ['must be the name of a topic']
  const isNamed = v.KAFKA_SOURCE_TOPICS.includes(name)
  const isMatched = v.KAFKA_SOURCE_TOPICS.some((one) => isTopicPattern(one) && matchesTopicPattern(one, name))
  return isNamed || isMatched ? [] : neverApplies('KAFKA_SOURCE_TOPICS')
}
