// Lists which data of a user Rigel could not erase: a part of the answer to DELETE /_rig/api/v1/users/{user}. Pure.
import type { Config } from '../../config/parse-config.ts'
import { followedTopics } from '../../config/sources/topic-roles.ts'
import { sourceOf } from '../../core/events/topic-source.ts'

/** Data of a user that remains, where it is, and until when. */
interface Remaining {
  readonly where: string
  readonly what: string
  readonly until: string
}

/** Returns the data that remains after an erasure. */
export function remainingOf(
  config: Config,
  { isRevoked, shared }: { readonly isRevoked: boolean; readonly shared: number },
): readonly Remaining[] {
  const { audit, kafka, log, proxy } = config
  const topics = [...followedTopics(config), ...kafka.topicPatterns, kafka.deadLetterTopic]
  const logs = [
    ...(proxy.requestLog.includes('kafka') ? [proxy.requestLogTopic] : []),
    ...(audit.topic === null ? [] : [audit.topic]),
  ]
  const logRetention = `LOG_RETENTION_SECONDS (${log.retentionMs / 1_000}), and at most an eighth of it longer`
  return [
    ...topics.map((topic) => ({
      where: `topic ${topic}`,
      what: 'records about the user',
      until: retentionOf(config, topic),
    })),
    ...logs.map((topic) => ({
      where: `topic ${topic}`,
      what: "the user's name in requests",
      until: retentionOf(config, topic),
    })),
    ...(shared === 0
      ? []
      : [{ where: 'logs of shards', what: `the text of ${shared} events that others got too`, until: logRetention }]),
    { where: 'logs of shards', what: 'events for all subscribers that mention the user', until: logRetention },
    ...(isRevoked
      ? []
      : [
          {
            where: 'tokens',
            what: 'clients with a valid token connect again',
            until: 'it expires, or its session is revoked: ?revoke_seconds=',
          },
        ]),
    {
      where:
        "Cloudflare's history of objects (point-in-time recovery) and Workers Logs; self-hosted: backups, and free pages of SQLite",
      what: 'what was erased, and this request',
      until: '30 days, and the retention of your logs',
    },
  ]
}

function retentionOf({ kafka }: Config, topic: string): string {
  switch (sourceOf(topic).kind) {
    case 'nats':
      return "the stream's limits: or use `nats stream purge`"
    case 'kinesis':
      return "the stream's retention"
    case 'kafka': {
      const isEmbedded = kafka.brokers === null && kafka.rest === null && kafka.upstash === null
      return isEmbedded
        ? `KAFKA_LOG_RETENTION_SECONDS (${kafka.embedded.retentionMs / 1_000})`
        : "the topic's retention, or compaction: produce a tombstone for each of the user's keys, or use kafka-delete-records"
    }
  }
}
