// Chooses the KafkaLog by the configuration: REST proxy, brokers or Upstash, and the embedded log if none is
// configured. Called by followers, and by everything that publishes.
import { logIncident } from '../telemetry/incident-log.ts'
import { sleep } from '../core/time/timeout.ts'
import { waitUntil } from 'cloudflare:workers'
import type { KafkaRestSettings } from '../config/kafka-rest.ts'
import type { Config } from '../config/parse-config.ts'
import { followedTopics } from '../config/sources/topic-roles.ts'
import { createBrokersKafkaLog } from './brokers-adapter.ts'
import { createEmbeddedKafkaLog } from './embedded-adapter.ts'
import type { KafkaLog } from './kafka-log.ts'
import { withKeysRemembered } from './produce-by-objects.ts'
import { createRestCache, type RestDeps } from './rest/rest-deps.ts'
import { createInstanceJournal } from './rest/instance-journal.ts'
import { createKafkaRestLog } from './rest/create-rest-log.ts'
import { createV3Producer } from './rest/produce-v3.ts'
import { withProducer } from './rest/split-producer.ts'
import { createUpstashKafkaLog } from './upstash-adapter.ts'

const clockAndRandom = { nowMs: () => Date.now(), random: () => Math.random() }

const embeddedDeps = { ...clockAndRandom, keepAlive: waitUntil }

const restDeps: RestDeps = {
  ...clockAndRandom,
  fetch: (input, init) => fetch(input, init),
  sleep,
  newId: () => crypto.randomUUID(),
  warn: (message, details) => logIncident(message, { proxy: details['proxy'] }, details),
  cache: createRestCache(),
}

/**
 * Returns the log that the configuration names. `sql` is the follower's storage, where a REST adapter keeps its instance
 * journal. Omit it where nothing is fetched.
 */
export function createKafkaLog(env: Env, config: Config, sql?: SqlStorage): KafkaLog {
  const { brokers, restV3 } = config.kafka
  const log = createDirectKafkaLog(env, config, sql)
  // The embedded log, and the objects that produce to brokers, remember keys themselves.
  const remembersKeys = log.wakesFollowers || (brokers !== null && restV3 === null)
  return remembersKeys ? log : withKeysRemembered(env, log, clockAndRandom)
}

/**
 * Returns the log of `createKafkaLog`, but over REST proxies and Upstash it produces a record whether its idempotency key
 * is known or not.
 */
export function createDirectKafkaLog(env: Env, config: Config, sql?: SqlStorage): KafkaLog {
  const { restV3 } = config.kafka
  const log = createSourceLog(env, config, sql)
  if (restV3 === null) return log
  return withProducer(log, createV3Producer(restV3, restDeps), log.wakesFollowers ? followedTopics(config) : [])
}

function createSourceLog(env: Env, config: Config, sql: SqlStorage | undefined): KafkaLog {
  const { brokers, rest, upstash } = config.kafka
  if (rest !== null) return createKafkaRestLog(rest, restDepsOf(env, rest), sql && createInstanceJournal(sql))
  if (brokers !== null) return createBrokersKafkaLog(env, brokers, clockAndRandom)
  return upstash === null ? createEmbeddedKafkaLog(env, embeddedDeps) : createUpstashKafkaLog(upstash)
}

/** With a binding, requests use its fetch, which sends a client certificate or reaches a private network. */
function restDepsOf(env: object, { binding: name }: KafkaRestSettings): RestDeps {
  if (name === null) return restDeps
  // config/kafka-rest.ts has checked that the binding is there.
  const binding = (env as Readonly<Record<string, Fetcher>>)[name]
  if (binding === undefined) throw new TypeError(`there is no binding ${name}`)
  return { ...restDeps, fetch: (input, init) => binding.fetch(input, init) }
}
