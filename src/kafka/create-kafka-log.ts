// Which KafkaLog the configuration asks for: none of its variables set, the embedded log.
import { followedTopics, type Config } from '../config/parse-config.ts'
import { createBrokersKafkaLog } from './brokers-adapter.ts'
import { createEmbeddedKafkaLog } from './embedded-adapter.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createRestMemory, type RestDeps } from './rest/rest-deps.ts'
import { createInstanceNotes } from './rest/instance-journal.ts'
import { createKafkaRestLog } from './rest/create-rest-log.ts'
import { createV3Producer } from './rest/produce-v3.ts'
import { withProducer } from './rest/split-producer.ts'
import { createUpstashKafkaLog } from './upstash-adapter.ts'

const chance = { nowMs: () => Date.now(), random: () => Math.random() }

const restDeps: RestDeps = {
  ...chance,
  fetch: (input, init) => fetch(input, init),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  newId: () => crypto.randomUUID(),
  warn: (message, details) => console.warn({ message, ...details }),
  memory: createRestMemory(),
}

/** `sql`: of a follower, for what its next life must know of the log. */
export function createKafkaLog(env: Env, config: Config, sql?: SqlStorage): KafkaLog {
  const { restV3 } = config.kafka
  const log = openFollowed(env, config, sql)
  if (restV3 === null) return log
  return withProducer(log, createV3Producer(restV3, restDeps), log.wakesFollowers ? followedTopics(config) : [])
}

function openFollowed(env: Env, config: Config, sql: SqlStorage | undefined): KafkaLog {
  const { brokers, rest, upstash } = config.kafka
  if (rest !== null) return createKafkaRestLog(rest, restDeps, sql && createInstanceNotes(sql))
  if (brokers !== null) return createBrokersKafkaLog(env, brokers, chance)
  return upstash === null ? createEmbeddedKafkaLog(env, chance) : createUpstashKafkaLog(upstash)
}
