// The contract of KafkaLog over each dialect of the REST Proxy v2 family, found out by the adapter itself. What stands
// behind is a stand-in written from the documentation: see scripts/kafka/bridge.ts.
import { kafkaLogContract } from '../contract.ts'
import { TestBridge } from '../test-bridge.ts'

// Timestamps of a producer are taken by none of them.
const DIALECTS = [
  ['redpanda', { headers: false, timestamps: false }],
  ['confluent', { headers: false, timestamps: false }],
  ['karapace', { headers: false, timestamps: false }],
  ['strimzi', { headers: true, timestamps: false }],
] as const

for (const [dialect, carries] of DIALECTS) {
  let bridge: TestBridge
  const makeLog = async () => {
    bridge = await TestBridge.start({ dialect })
    return bridge.log()
  }
  const makeTopic = async (topic: string) => {
    await bridge.makeTopic(topic)
  }
  kafkaLogContract(`the REST dialect ${dialect}`, makeLog, { ...carries, makeTopic })
}
