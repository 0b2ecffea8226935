// Chooses the KafkaLog by the configuration: REST proxy, brokers or Upstash, and the embedded log if none is configured.
// Called by followers, and by everything that publishes.
import { waitUntil } from 'cloudflare:workers'
import { followedTopics, type Config } from '../config/parse-config.ts'
import { createBrokersKafkaLog } from './brokers-adapter.ts'
import { createEmbeddedKafkaLog } from './embedded-adapter.ts'
import type { KafkaLog } from './kafka-log.ts'
import { createRestCache, type RestDeps } from './rest/rest-deps.ts'
import { createInstanceJournal } from './rest/instance-journal.ts'
import { createKafkaRestLog } from './rest/create-rest-log.ts'
import { createV3Producer } from './rest/produce-v3.ts'
import { withProducer } from './rest/split-producer.ts'
import { createUpstashKafkaLog } from './upstash-adapter.ts'

const clockAndRandom = { nowMs: () => Date.now(), random: () => Math.random() }

const restDeps: RestDeps = {
  ...clockAndRandom,
  fetch: (input, init) => fetch(input, init),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  newId: () => crypto.randomUUID(),
  warn: (message, details) => console.warn({ message, ...details }),
  cache: createRestCache(),
}

/** `sql` is the follower's storage, where a REST adapter keeps its instance journal. Omit it where nothing is fetched. */
export function createKafkaLog(env: Env, config: Config, sql?: SqlStorage): KafkaLog {
  const { restV3 } = config.kafka
  const log = createSourceLog(env, config, sql)
  if (restV3 === null) return log
  return withProducer(log, createV3Producer(restV3, restDeps), log.wakesFollowers ? followedTopics(config) : [])
}

function createSourceLog(env: Env, config: Config, sql: SqlStorage | undefined): KafkaLog {
  const { brokers, rest, upstash } = config.kafka
  if (rest !== null) return createKafkaRestLog(rest, restDeps, sql && createInstanceJournal(sql))
  if (brokers !== null) return createBrokersKafkaLog(env, brokers, clockAndRandom)
  return upstash === null
    ? createEmbeddedKafkaLog(env, { ...clockAndRandom, keepAlive: waitUntil })
    : createUpstashKafkaLog(upstash)
}
