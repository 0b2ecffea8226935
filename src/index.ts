// The front door: fetch, scheduled, queue, and the Durable Object exports; no logic.
import { handle } from './edge/app.ts'
import { consumeQueue } from './ingest/queue.ts'
import { wakeFollowers } from './ingest/schedule.ts'

export { AnswerDesk } from './answers/answer-desk.ts'
export { Directory } from './directory/directory.ts'
export { TopicFollower } from './ingest/topic-follower.ts'
export { RigelApi } from './edge/rigel-api.ts'
export { EmbeddedBroker } from './kafka/embedded-broker.ts'
export { EmbeddedLog } from './kafka/embedded-log.ts'
export { KafkaProducer } from './kafka/kafka-producer.ts'
export { PresenceTopic } from './presence/presence-topic.ts'
export { SessionRegistry } from './sessions/session-registry.ts'
export { UserShard } from './shard/user-shard.ts'

export default {
  fetch: (request, env, context) => handle(request, env, context),
  scheduled: async (_controller, env) => void (await wakeFollowers(env)),
  queue: (batch, env) => consumeQueue(batch, env),
} satisfies ExportedHandler<Env>
