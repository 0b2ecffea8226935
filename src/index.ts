// The Worker: fetch, scheduled, queue, and the Durable Object exports; no logic.
import { handle } from './http/app.ts'
import { consumeQueue } from './http/queue.ts'
import { wakeFollowers } from './http/wake-followers.ts'

export { PendingResponses } from './objects/pending-responses/pending-responses.ts'
export { Directory } from './objects/directory/directory.ts'
export { TopicFollower } from './objects/follower/topic-follower.ts'
export { RigelApi } from './http/admin/rigel-api.ts'
export { EmbeddedBroker } from './objects/embedded-kafka/embedded-broker.ts'
export { EmbeddedLog } from './objects/embedded-kafka/embedded-log.ts'
export { KafkaProducer } from './objects/kafka-producer/kafka-producer.ts'
export { MetricsStore } from './objects/metrics/metrics-store.ts'
export { NatsClient } from './objects/nats-client/nats-client.ts'
export { PresenceTopic } from './objects/presence/presence-topic.ts'
export { SessionRegistry } from './objects/session-registry/session-registry.ts'
export { UserShard } from './objects/shard/user-shard.ts'

export default {
  fetch: (request, env, context) => handle(request, env, context),
  scheduled: async (_controller, env) => void (await wakeFollowers(env)),
  queue: (batch, env) => consumeQueue(batch, env),
} satisfies ExportedHandler<Env>
