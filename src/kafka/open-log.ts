// Which KafkaLog the configuration asks for: none of its variables set, the embedded log.
import type { Config } from '../config.ts'
import { createBrokersKafkaLog } from './brokers-kafka-log.ts'
import { createEmbeddedKafkaLog } from './embedded-kafka-log.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createUpstashKafkaLog } from './upstash-kafka-log.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

export function openLog(env: Env, config: Config): KafkaLog {
  const { brokers, upstash } = config.kafka
  if (brokers !== null) return createBrokersKafkaLog(env, brokers, chance)
  return upstash === null ? createEmbeddedKafkaLog(env, chance) : createUpstashKafkaLog(upstash)
}
