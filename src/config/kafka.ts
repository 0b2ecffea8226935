// Variables of Kafka: which log is followed and produced to, by which adapter, and the embedded log's limits.
import * as z from 'zod'
import { brokersContradictions, brokersVariables, toBrokers } from './kafka-brokers.ts'
import { kafkaRestContradictions, kafkaRestVariables, toKafkaRest, toKafkaRestV3 } from './kafka-rest.ts'
import { TOPIC_NAME_RULE } from '../core/events/topic-name.ts'
import { isTopicPattern, TOPIC_PATTERN } from '../core/events/topic-pattern.ts'
import { exposesSecrets, HTTPS_RULE, integer, list, serviceUrl, topicName } from './env-fields.ts'

const topicOrPattern = z
  .string()
  .refine(
    (text) => TOPIC_PATTERN.test(text) || topicName.safeParse(text).success,
    `${TOPIC_NAME_RULE}, or a pattern of those and "*"`,
  )

/** The variables of Kafka, as zod schemas. */
export const kafkaVariables = {
  ...brokersVariables,
  KAFKA_SOURCE_TOPICS: list
    .pipe(z.array(topicOrPattern).min(1, 'must name at least one topic'))
    .refine(([first = '']) => !isTopicPattern(first), 'must begin with the name of a topic: events are published to it')
    .default(['rig']),
  KAFKA_DEAD_LETTER_TOPIC: topicName.default('rig-dead-letter'),
  KAFKA_AUTO_OFFSET_RESET: z.enum(['earliest', 'latest'], 'must be earliest or latest').optional(),
  KAFKA_PARTITIONS: integer(1, 1, 1_000),
  KAFKA_LOG_RETENTION_SECONDS: integer(86_400, 1, 31_536_000),
  KAFKA_LOG_RETENTION_BYTES: integer(268_435_456, 1_024, 8_589_934_592),
  KAFKA_LOG_DEDUPE_SECONDS: integer(86_400, 1, 31_536_000),
  // At least the number of events in one push: otherwise a retry of the push would not be recognized.
  KAFKA_LOG_DEDUPE_EVENTS: integer(100_000, 1_000, 1_000_000),
  KAFKA_USERNAME: z.string().min(1).optional(),
  KAFKA_PASSWORD: z.string().min(1).optional(),
  APPEND_LINGER_MS: integer(0, 0, 5_000),
  PULL_MODE: z.enum(['continuous', 'scheduled'], 'must be continuous or scheduled').default('continuous'),
  UPSTASH_KAFKA_REST_URL: serviceUrl('https://example-rest-kafka.upstash.io').optional(),
  UPSTASH_KAFKA_REST_USERNAME: z.string().min(1).optional(),
  UPSTASH_KAFKA_REST_PASSWORD: z.string().min(1).optional(),
  ...kafkaRestVariables,
}

type Variables = z.infer<z.ZodObject<typeof kafkaVariables>>

/** Returns the part of the configuration that concerns Kafka. At most one of upstash, brokers and rest is not null. */
export function toKafka(v: Variables) {
  const upstash = v.UPSTASH_KAFKA_REST_URL
    ? {
        url: v.UPSTASH_KAFKA_REST_URL,
        username: v.UPSTASH_KAFKA_REST_USERNAME ?? '',
        password: v.UPSTASH_KAFKA_REST_PASSWORD ?? '',
      }
    : null
  const rest = toKafkaRest(v)
  const brokers = toBrokers(v)
  return {
    /** Topics that are named. The first is published to. */
    topics: v.KAFKA_SOURCE_TOPICS.filter((topic) => !isTopicPattern(topic)),
    /** Patterns of topics that are followed besides. Empty with the embedded log. */
    topicPatterns: v.KAFKA_SOURCE_TOPICS.filter(isTopicPattern),
    deadLetterTopic: v.KAFKA_DEAD_LETTER_TOPIC,
    /** Where a follower without a checkpoint starts. The embedded log is new when it is first used, so nothing of it is skipped. */
    autoOffsetReset: v.KAFKA_AUTO_OFFSET_RESET ?? ((upstash ?? brokers ?? rest) ? 'latest' : 'earliest'),
    /** KAFKA_AUTO_OFFSET_RESET, for other sources; null if it is not set. */
    givenOffsetReset: v.KAFKA_AUTO_OFFSET_RESET ?? null,
    /** Least milliseconds between two batches of a partition to the shards; 0: none. */
    appendLingerMs: v.APPEND_LINGER_MS,
    pullMode: v.PULL_MODE,
    upstash,
    brokers,
    rest,
    /** Where records are produced, except for topics that are followed in the embedded log; null: to the log that is followed. */
    restV3: toKafkaRestV3(v),
    /** The consumer group that offsets are committed to, so that Kafka's tools show the lag; null for none. */
    groupId: v.KAFKA_GROUP_ID ?? null,
    embedded: {
      partitions: v.KAFKA_PARTITIONS,
      retentionMs: v.KAFKA_LOG_RETENTION_SECONDS * 1_000,
      retentionBytes: v.KAFKA_LOG_RETENTION_BYTES,
      /** An event that is pushed again within this window is stored once. */
      dedupe: { windowMs: v.KAFKA_LOG_DEDUPE_SECONDS * 1_000, maxKeys: v.KAFKA_LOG_DEDUPE_EVENTS },
      /** The credentials for the embedded log over HTTP. Null: its HTTP endpoint is closed. */
      credentials:
        v.KAFKA_USERNAME && v.KAFKA_PASSWORD ? { username: v.KAFKA_USERNAME, password: v.KAFKA_PASSWORD } : null,
    },
  }
}

/** Returns a problem for each combination of variables that cannot work. `env` is everything that is set. */
export function kafkaContradictions(v: Variables, env: object): readonly string[] {
  const problems: string[] = [...brokersContradictions(v, env), ...kafkaRestContradictions(v, env)]
  if (v.KAFKA_BROKERS.length > 0 && v.UPSTASH_KAFKA_REST_URL) {
    problems.push('KAFKA_BROKERS: cannot be set beside UPSTASH_KAFKA_REST_URL: one Kafka is followed')
  }
  if (v.UPSTASH_KAFKA_REST_URL && !(v.UPSTASH_KAFKA_REST_USERNAME && v.UPSTASH_KAFKA_REST_PASSWORD)) {
    problems.push('UPSTASH_KAFKA_REST_URL: needs UPSTASH_KAFKA_REST_USERNAME and UPSTASH_KAFKA_REST_PASSWORD')
  }
  if (v.UPSTASH_KAFKA_REST_URL && exposesSecrets(v.UPSTASH_KAFKA_REST_URL)) {
    problems.push(`UPSTASH_KAFKA_REST_URL: ${HTTPS_RULE}`)
  }
  if (Boolean(v.KAFKA_USERNAME) !== Boolean(v.KAFKA_PASSWORD)) {
    problems.push('KAFKA_USERNAME: needs KAFKA_PASSWORD, and the other way round')
  }
  if (!v.UPSTASH_KAFKA_REST_URL && (v.UPSTASH_KAFKA_REST_USERNAME || v.UPSTASH_KAFKA_REST_PASSWORD)) {
    problems.push('UPSTASH_KAFKA_REST_USERNAME: needs UPSTASH_KAFKA_REST_URL; without it the embedded log is used')
  }
  const isEmbedded = v.KAFKA_BROKERS.length === 0 && !v.UPSTASH_KAFKA_REST_URL && !v.KAFKA_REST_URL
  if (isEmbedded && v.KAFKA_SOURCE_TOPICS.some(isTopicPattern)) {
    problems.push(
      'KAFKA_SOURCE_TOPICS: a pattern needs a Kafka (KAFKA_BROKERS, KAFKA_REST_URL or UPSTASH_KAFKA_REST_URL); topics of the embedded log must be named',
    )
  }
  if (v.KAFKA_SOURCE_TOPICS.includes(v.KAFKA_DEAD_LETTER_TOPIC)) {
    problems.push(
      'KAFKA_DEAD_LETTER_TOPIC: must not be one of KAFKA_SOURCE_TOPICS: what cannot be decoded would be followed for ever',
    )
  }
  return problems
}
