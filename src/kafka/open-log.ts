// Which KafkaLog the configuration asks for: none of its variables set, the embedded log.
import type { Config } from '../config.ts'
import { createEmbeddedKafkaLog } from './embedded-kafka-log.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createUpstashKafkaLog } from './upstash-kafka-log.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

export function openLog(env: Env, config: Config): KafkaLog {
  const { upstash } = config.kafka
  return upstash === null ? createEmbeddedKafkaLog(env, chance) : createUpstashKafkaLog(upstash)
}
