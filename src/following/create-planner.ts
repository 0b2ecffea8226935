// Chooses the planner of a topic: responses for requests that wait, or events for users. Called by both objects that follow
// partitions: the TopicFollower, and the embedded log's partition.
import type { Config } from '../config/parse-config.ts'
import { isResponseTopic } from '../config/sources/topic-roles.ts'
import type { CorrelatedResponse } from '../core/events/correlated-response.ts'
import { FAN_OUT } from '../core/delivery/fan-out-tree.ts'
import { topicRuleOf } from '../config/topics.ts'
import type { TopicPartition } from '../core/events/kafka-record.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { deliverResponse } from '../rpc/pending-responses.ts'
import { createShardSender } from '../rpc/shard.ts'
import { createSchemaCache } from '../schema-registry/create-caches.ts'
import { AppendLinger } from './append-linger.ts'
import type { AppendBatch } from '../core/delivery/batch-codec.ts'
import { tablesOf } from '../core/tables/table-rule.ts'
import type { BatchPlanner } from './consume-loop.ts'
import type { FollowedShardMap } from './followed-shard-map.ts'
import type { InterestIndex } from './interest-index.ts'
import type { RecordTraces } from './telemetry/record-traces.ts'
import { EventPlanner, EVENTS_RUN } from './plan-events.ts'
import { ResponsePlanner } from './plan-responses.ts'

export interface PlannerOptions {
  readonly env: Env
  readonly config: Config
  readonly at: TopicPartition
  readonly interests: InterestIndex
  readonly shardMap: FollowedShardMap
  /** Takes dead letters. */
  readonly log: Pick<KafkaLog, 'produce'>
  /** Null: tracing is not configured. */
  readonly traces: RecordTraces | null
}

export function createPlanner({ env, config, at, interests, log, shardMap, traces }: PlannerOptions): BatchPlanner {
  const { extractors, kafka, maxEventBytes, recipients } = config
  const common = { deadLetterTopic: kafka.deadLetterTopic, log }
  const deliver = (response: CorrelatedResponse) => deliverResponse(env, response)
  if (isResponseTopic(config, at.topic)) return new ResponsePlanner({ ...common, deliver })
  return new EventPlanner({
    ...common,
    ...at,
    rule: topicRuleOf(config.topicRules, at.topic),
    rules: { extractors, recipients, interests, tables: tablesOf(config.tables, at.topic) },
    shardMap,
    maxEventBytes,
    schemas: createSchemaCache(config),
    shards: createShardSender(env),
    fanOut: FAN_OUT,
    budget: EVENTS_RUN,
    decoded: traces === null ? undefined : (record, event) => traces.decoded(record, event),
    deliver: config.proxy.responseTopics.includes(at.topic) ? deliver : null,
  })
}

/** Returns a planner for the tables of the topic: its calls go to `send`, and dead letters nowhere. They were produced before. */
export function createFillPlanner(
  { at, config, shardMap }: Pick<PlannerOptions, 'at' | 'config' | 'shardMap'>,
  shardsOf: (type: string) => ReadonlySet<number>,
  send: (shard: number, batch: AppendBatch) => Promise<void>,
): BatchPlanner {
  const { extractors, kafka, maxEventBytes, recipients } = config
  const interests = { shardsOf, watchersOf: () => new Set<number>() }
  return new EventPlanner({
    ...at,
    deadLetterTopic: kafka.deadLetterTopic,
    log: { produce: async () => [] },
    rule: topicRuleOf(config.topicRules, at.topic),
    rules: { extractors, recipients, interests, tables: tablesOf(config.tables, at.topic) },
    shardMap: {
      get routing() {
        return shardMap.routing
      },
      planned: () => undefined,
    },
    maxEventBytes,
    schemas: createSchemaCache(config),
    shards: { append: send, relay: () => Promise.reject(new TypeError('nothing is relayed')) },
    fanOut: Infinity,
    budget: EVENTS_RUN,
    deliver: null,
  })
}

/** Requests wait for responses: only events linger. */
export function createLinger(config: Config, topic: string): AppendLinger {
  const lingerMs = isResponseTopic(config, topic) ? 0 : config.kafka.appendLingerMs
  return new AppendLinger(lingerMs, { nowMs: () => Date.now(), sleep: (ms) => scheduler.wait(ms) })
}
