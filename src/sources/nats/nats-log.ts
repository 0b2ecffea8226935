// The log over NATS, behind the same interface as Kafka. A topic is a subject with one partition. Fetching keeps a
// connection open, so only a follower's Durable Object should fetch. All other calls use the shared connections of
// NatsClient objects.
import type { NatsConfig } from '../../config/sources/nats.ts'
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import { natsClientStub } from '../../rpc/nats-client.ts'
import { CoreReader } from './core-reader.ts'
import { JetStreamReader } from './jetstream-reader.ts'
import { NatsSession } from './nats-session.ts'

/** Injected so that tests can control time and randomness. */
export interface NatsLogDeps {
  readonly nowMs: () => number
  /** In [0, 1). */
  readonly random: () => number
  readonly warn: (message: string, details: Record<string, unknown>) => void
}

/** Opens no connection before the first fetch. */
export function createNatsLog(env: Env, config: NatsConfig, deps: NatsLogDeps): KafkaLog {
  const session = new NatsSession(config)
  const common = {
    wakesFollowers: false,
    partitions: async (topic: string) => natsClientStub(env, deps.random()).partitions(topic),
    produce: async (records: readonly NewRecord[]) => produce(env, records, deps),
  }
  if (config.mode === 'core') {
    const reader = new CoreReader({ ...deps, session, queueGroup: config.queueGroup })
    // Core NATS stores nothing, so the log begins when the follower starts.
    const now = () => Math.floor(deps.nowMs() * 1_000)
    return {
      ...common,
      offsets: async () => ({ earliest: now(), latest: now() }),
      fetch: (position, limits) => reader.fetch(position, limits),
    }
  }
  const reader = new JetStreamReader(session)
  return {
    ...common,
    offsets: async (topic) => {
      const range = await reader.offsets(topic)
      if (range === undefined) throw new Error(`NATS: no stream of JetStream has the subject of ${topic}`)
      return range
    },
    fetch: (position, limits) => reader.fetch(position, limits),
  }
}

async function produce(
  env: Env,
  records: readonly NewRecord[],
  { random }: NatsLogDeps,
): Promise<readonly ProducedRecord[]> {
  return records.length === 0 ? [] : natsClientStub(env, random()).produce(records)
}
