// Lines about followers: one for all topics and partitions that fail by the same error, because brokers that are away fail
// hundreds of them at once. Each partition's own last error is in its status. Used by both objects that follow partitions, and
// by the cron that wakes them.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { logIncident } from '../../telemetry/incident-log.ts'

/** A follower, or a topic whose partitions are not known. */
type Followed = Pick<TopicPartition, 'topic'> | TopicPartition

/** `details` are those of the follower that fails first. */
export function logFailure(
  message: string,
  at: Partial<Followed>,
  error: unknown,
  details: Readonly<Record<string, unknown>> = {},
): void {
  logIncident(message, { error: String(error) }, { ...at, ...details })
}

/** The first follower that goes on tells that the incident is over; the others are counted. */
export function logRecovery(at: TopicPartition, failures: number): void {
  logIncident('following goes on', { topic: at.topic }, { partition: at.partition, failures })
}
