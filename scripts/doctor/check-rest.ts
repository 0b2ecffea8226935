// Checks whether topics exist, through a Kafka REST proxy or Upstash's REST API. Neither reports ACLs. Called by
// doctor.ts.
import type { KafkaRestSettings } from '../../src/config/kafka-rest.ts'
import { detectDialect } from '../../src/kafka/rest/dialect.ts'
import { RedpandaReader } from '../../src/kafka/rest/redpanda-reader.ts'
import { createRestClient } from '../../src/kafka/rest/rest-client.ts'
import { createRestCache, type RestDeps } from '../../src/kafka/rest/rest-deps.ts'
import { createTopicReader } from '../../src/kafka/rest/topics.ts'
import { createUpstashKafkaLog, type UpstashCredentials } from '../../src/kafka/upstash-adapter.ts'
import { checkTopic } from './check-topics.ts'
import { messageOf, ok, problem, type Finding } from './finding.ts'
import type { TopicUse } from './topics-in-use.ts'

type Partitions = (topic: string) => Promise<readonly number[]>

export async function checkRest(settings: KafkaRestSettings, uses: readonly TopicUse[]): Promise<readonly Finding[]> {
  const { credentials, dialect: configured, instanceHosts, url } = settings
  const client = createRestClient(url, credentials, fetch)
  return checkLog('KAFKA_REST_URL', uses, async () => {
    const dialect = configured ?? (await detectDialect(client))
    const topics =
      dialect === 'redpanda' ? new RedpandaReader({ client, instanceHosts, deps }) : createTopicReader(client)
    return { name: dialect, partitions: (topic) => topics.partitions(topic) }
  })
}

export function checkUpstash(credentials: UpstashCredentials, uses: readonly TopicUse[]): Promise<readonly Finding[]> {
  const log = createUpstashKafkaLog(credentials)
  return checkLog('UPSTASH_KAFKA_REST_URL', uses, async () => ({
    name: 'upstash',
    partitions: (topic) => log.partitions(topic),
  }))
}

async function checkLog(
  variable: string,
  uses: readonly TopicUse[],
  connect: () => Promise<{ readonly name: string; readonly partitions: Partitions }>,
): Promise<readonly Finding[]> {
  try {
    const { name, partitions } = await connect()
    const topics = await Promise.all(
      uses.map(async (use) => {
        const count = (await partitions(use.topic)).length
        const state = { partitions: count, leaderless: 0, mayRead: null, mayWrite: null, error: null }
        return checkTopic(use, count === 0 ? undefined : state)
      }),
    )
    return [ok(variable, `answers, ${name}`), ...topics]
  } catch (error) {
    const todo = 'correct the URL and the credentials; set KAFKA_REST_DIALECT if the proxy is not recognised'
    return [problem(variable, messageOf(error), todo)]
  }
}

const deps: RestDeps = {
  fetch,
  nowMs: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  newId: () => crypto.randomUUID(),
  warn: () => undefined,
  cache: createRestCache(),
}
