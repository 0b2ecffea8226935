// The contract of KafkaLog over each REST dialect with a real Kafka behind the stand-in bridge.
import { kafkaLogContract } from '../contract.ts'
import { KAFKA_PORT } from '../../real-kafka/port.ts'
import { TestBridge } from '../test-bridge.ts'

for (const dialect of ['redpanda', 'confluent', 'karapace', 'strimzi'] as const) {
  let bridge: TestBridge
  const makeLog = async () => {
    bridge = await TestBridge.start({ dialect, brokers: [`127.0.0.1:${KAFKA_PORT}`] })
    return bridge.log()
  }
  const makeTopic = async (topic: string) => {
    await bridge.makeTopic(topic)
  }
  const carries = { headers: dialect === 'strimzi', timestamps: false, makeTopic }
  kafkaLogContract(`${dialect} before a real Kafka`, makeLog, carries)
}
