// Creates the parts of a TopicFollower's consume loop: the log, the planner of its topic, the linger, and the commits for
// KAFKA_GROUP_ID. Called once per life of the object.
import { logIncident } from '../../telemetry/incident-log.ts'
import type { Config } from '../../config/parse-config.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { CheckpointStore } from '../../following/checkpoint-store.ts'
import type { PartitionConsumer } from '../../following/consume-loop.ts'
import { createLinger, createPlanner } from '../../following/create-planner.ts'
import { DeadLetterLog } from '../../following/dead-letters.ts'
import type { FollowedShardMap } from '../../following/followed-shard-map.ts'
import type { InterestIndex } from '../../following/interest-index.ts'
import { RecordTraces } from '../../following/telemetry/record-traces.ts'
import { createTracer } from '../../telemetry/create-tracer.ts'
import type { Schedule } from '../../core/metrics/reporter.ts'
import { OffsetCommitter } from '../../following/offset-committer.ts'
import type { PlannedUpTo } from '../../following/planned-up-to.ts'
import type { RunHealth } from '../../following/run-health.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'

/**
 * A fetch is decoded, routed and appended as one, and a shard writes its part in one commit: with half as many bytes a
 * backlog takes a sixth longer. Memory holds it about five times, and the next fetch; an isolate of 128 MB may have
 * several followers.
 */
const FETCH_BYTES = 2 * 1_048_576

/** How long a remote log may hold a fetch at the end of the log. */
const LONG_POLL_MS = 10_000

/** The parts of a follower, as it has them. */
export interface FollowerParts {
  readonly env: Env
  readonly config: Config
  readonly at: TopicPartition
  readonly log: KafkaLog
  readonly checkpoints: CheckpointStore
  readonly interests: InterestIndex
  readonly shardMap: FollowedShardMap
  readonly health: RunHealth
  readonly planned: PlannedUpTo
  readonly metrics: PartitionConsumer['metrics']
  /** Runs the export of traces. */
  readonly schedule: Schedule
  /** Runs work that the object does not wait for. */
  readonly inBackground: (work: Promise<unknown>) => void
  readonly nowMs: () => number
  readonly warn: (message: string, details: Record<string, unknown>) => void
}

export function createConsumer(parts: FollowerParts) {
  const { at, checkpoints, config, env, health, interests, log, metrics, nowMs, planned, schedule, shardMap, warn } =
    parts
  const tracer = createTracer(config.tracing, schedule)
  const traces = tracer === null ? null : new RecordTraces(tracer, at)
  const waits = !log.wakesFollowers && config.kafka.pullMode === 'continuous'
  return {
    ...at,
    log,
    fetchLimits: { maxWaitMs: waits ? LONG_POLL_MS : 0, maxBytes: FETCH_BYTES },
    planner: createPlanner({ env, config, at, interests, log, shardMap, traces }),
    checkpoints: {
      move: (next, counted) => {
        checkpoints.move(next, counted)
        shardMap.committed(next.offset)
      },
    },
    health,
    planning: (next: number, generation: number) => planned.planning(next, generation),
    metrics,
    traces,
    committer: createCommitter(parts),
    linger: createLinger(config, at.topic),
    deadLetterLog: new DeadLetterLog(warn),
    nowMs,
    warn,
  } satisfies PartitionConsumer
}

function createCommitter({ at, config, inBackground, log }: FollowerParts): OffsetCommitter | null {
  const { groupId } = config.kafka
  if (groupId === null) return null
  return new OffsetCommitter({
    commit: async (offset) => log.commit?.(groupId, { ...at, offset }),
    inBackground,
    warn: (error) => logIncident('the offset could not be committed for the group', { groupId }, { ...at, error }),
  })
}
