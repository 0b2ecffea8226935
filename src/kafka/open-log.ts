// Which KafkaLog the configuration asks for: none of its variables set, the embedded log.
import type { Config } from '../config.ts'
import type { KafkaLog } from './kafka-log.ts'

export function openLog(_env: Env, _config: Config): KafkaLog {
  throw new Error('being built')
}
