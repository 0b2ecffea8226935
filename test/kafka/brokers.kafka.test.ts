// The contract of KafkaLog over the Kafka protocol, against a real broker.
import { env } from 'cloudflare:workers'
import { createBrokersKafkaLog } from '../../src/kafka/brokers-adapter.ts'
import { configOf } from '../../src/config/parse-config.ts'
import { kafkaLogContract } from './contract.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

kafkaLogContract('the Kafka protocol', () => {
  const { brokers } = configOf(env).kafka
  if (brokers === null) throw new Error('KAFKA_BROKERS is not set')
  return createBrokersKafkaLog(env, brokers, chance)
})
