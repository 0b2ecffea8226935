import { expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import { isFollowed, isSourceTopic } from '../../src/config/sources/topic-roles.ts'
import { listFollowedTopics, listSourceTopics } from '../../src/sources/followed-topics.ts'
import type { EventLog } from '../../src/sources/create-event-log.ts'

const parsed = parseConfig({
  KAFKA_SOURCE_TOPICS: 'rig,*',
  KAFKA_BROKERS: 'broker.example.com:9092',
  AUDIT_LOG: 'kafka',
  TOPICS: '{"orders.eu": {}}',
})
if (!parsed.ok) throw new Error(parsed.reason.join())
const config = parsed.value
const OWN = ['rig-dead-letter', 'rig-request-log', 'rigel-audit-log', 'rig-proxy-response']
const INTERNAL = ['__consumer_offsets', '__transaction_state', '_schemas']

it('patterns match no internal topic, and none that Rigel writes to or reads responses from', () => {
  expect(config.kafka.topics).toEqual(['rig'])
  expect([...OWN, ...INTERNAL].filter((topic) => isSourceTopic(config, topic))).toEqual([])
  expect(['rig', 'orders.eu'].filter((topic) => isSourceTopic(config, topic))).toEqual(['rig', 'orders.eu'])
  expect(isFollowed(config, 'rig-proxy-response')).toBe(true)
})

it('topics of patterns are those that Kafka has, named ones first', async () => {
  const topics = ['orders.us', 'rig', ...OWN, ...INTERNAL, 'orders.eu']
  const log = { topics: async () => topics } as unknown as EventLog
  expect(await listSourceTopics(config, log)).toEqual(['rig', 'orders.eu', 'orders.us'])
  const followed = ['rig', 'rig-proxy-response', 'orders.eu', 'orders.us']
  expect(await listFollowedTopics(config, log)).toEqual(followed)
})
