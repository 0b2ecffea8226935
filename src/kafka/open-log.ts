// Which KafkaLog the configuration asks for: none of its variables set, the embedded log.
import type { Config } from '../config.ts'
import { createEmbeddedKafkaLog } from './embedded-kafka-log.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createUpstashKafkaLog } from './upstash-kafka-log.ts'

export function openLog(env: Env, config: Config): KafkaLog {
  return config.kafka.upstash === null ? createEmbeddedKafkaLog(env) : createUpstashKafkaLog(config.kafka.upstash)
}
