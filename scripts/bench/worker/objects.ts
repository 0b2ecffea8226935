// Rigel's Durable Objects as they are measured: counted if COUNT is set, and followers with shards in another workerd.
import { WorkerEntrypoint } from 'cloudflare:workers'
import type { AppendBatch } from '../../../src/core/delivery/batch-codec.ts'
import { TopicFollower as Follower } from '../../../src/objects/follower/topic-follower.ts'
import { PendingResponses as PlainPendingResponses } from '../../../src/objects/pending-responses/pending-responses.ts'
import { Directory as PlainDirectory } from '../../../src/objects/directory/directory.ts'
import { EmbeddedBroker as PlainEmbeddedBroker } from '../../../src/objects/embedded-kafka/embedded-broker.ts'
import { EmbeddedLog as PlainEmbeddedLog } from '../../../src/objects/embedded-kafka/embedded-log.ts'
import { KafkaProducer as PlainKafkaProducer } from '../../../src/objects/kafka-producer/kafka-producer.ts'
import { NatsClient as PlainNatsClient } from '../../../src/objects/nats-client/nats-client.ts'
import { PresenceTopic as PlainPresenceTopic } from '../../../src/objects/presence/presence-topic.ts'
import { SessionRegistry as PlainSessionRegistry } from '../../../src/objects/session-registry/session-registry.ts'
import { UserShard as PlainUserShard } from '../../../src/objects/shard/user-shard.ts'
import type { BenchEnv } from './bench-env.ts'
import { COUNTED, countingEnv, countRequest, countStart, countStorage } from './counting.ts'

/** For followers of another workerd. */
export class Shards extends WorkerEntrypoint<BenchEnv> {
  append(shard: string, batches: readonly AppendBatch[]): Promise<void> {
    return this.env.USER_SHARD.getByName(shard).append(batches)
  }
}

type Construct<T> = new (ctx: DurableObjectState, env: Env) => T

/** The class itself, unless COUNT is set: then what it does is counted (`npm run bench -- bill`). */
function counted<T extends { alarm?(info?: AlarmInvocationInfo): void | Promise<void> }>(
  Plain: Construct<T>,
  name: string,
): Construct<T> {
  const alarm = Plain.prototype.alarm
  if (alarm !== undefined) {
    Plain.prototype.alarm = function countedAlarm(this: T, info?: AlarmInvocationInfo) {
      countRequest(name)
      return alarm.call(this, info)
    }
  }
  return class extends (Plain as Construct<object>) {
    constructor(ctx: DurableObjectState, env: BenchEnv) {
      countStart(name)
      if (env.COUNT !== undefined) countStorage(name, ctx)
      super(ctx, env.COUNT === undefined ? env : countingEnv(env, COUNTED))
    }
  } as unknown as Construct<T>
}

export { MetricsStore } from '../../../src/objects/metrics/metrics-store.ts'
export class PendingResponses extends counted(PlainPendingResponses, 'PendingResponses') {}
export class Directory extends counted(PlainDirectory, 'Directory') {}
export class EmbeddedBroker extends counted(PlainEmbeddedBroker, 'EmbeddedBroker') {}
export class EmbeddedLog extends counted(PlainEmbeddedLog, 'EmbeddedLog') {}
export class KafkaProducer extends counted(PlainKafkaProducer, 'KafkaProducer') {}
export class NatsClient extends counted(PlainNatsClient, 'NatsClient') {}
export class PresenceTopic extends counted(PlainPresenceTopic, 'PresenceTopic') {}
export class SessionRegistry extends counted(PlainSessionRegistry, 'SessionRegistry') {}
export class UserShard extends counted(PlainUserShard, 'UserShard') {}

/** Rigel's own, with its shards in another workerd if there is one: as on Cloudflare, where no two objects share a thread for long. */
export class TopicFollower extends Follower {
  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env.SHARDS_AT === undefined ? env : withShardsAt(env, env.SHARDS_AT))
  }
}

function withShardsAt(env: BenchEnv, address: string): Env {
  let shards: Service<Shards> | undefined
  const append = async (shard: string, batches: readonly AppendBatch[]) => {
    shards ??= (await env.DEBUG_PORT.connect(address)).getEntrypoint('main', 'Shards')
    await shards.append(shard, batches)
  }
  const getByName = (name: string) => ({ append: (batches: readonly AppendBatch[]) => append(name, batches) })
  return { ...env, USER_SHARD: { getByName } as unknown as Env['USER_SHARD'] }
}
