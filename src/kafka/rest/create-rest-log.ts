// The KafkaLog over a Kafka REST proxy (API v2). Combines what the dialect needs: Redpanda's fetch by offset, or consumer
// instances. The dialect is configured, or detected on first use. Called by create-kafka-log.ts.
import type { Dialect, KafkaRestSettings } from '../../config/kafka-rest.ts'
import type { LogPosition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, KafkaLog } from '../kafka-log.ts'
import type { RestDeps } from './rest-deps.ts'
import { detectDialect, TRAITS } from './dialect.ts'
import { createMemoryJournal, type InstanceJournal } from './instance-journal.ts'
import { InstanceReader } from './instance-reader.ts'
import type { RecordProducer } from './produce-with-retry.ts'
import { createV2Producer } from './produce-v2.ts'
import { RedpandaReader } from './redpanda-reader.ts'
import { createRestClient, hostOf, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'
import { createTopicReader, listTopics, type TopicReader } from './topics.ts'

interface DialectAdapter {
  readonly topics: TopicReader
  readonly reader: { fetch(position: LogPosition, limits: FetchLimits): Promise<Fetched> }
  readonly producer: RecordProducer
}

/** Returns the log of a Kafka REST proxy. Pass the follower's journal where records are fetched. */
export function createKafkaRestLog(
  settings: KafkaRestSettings,
  deps: RestDeps,
  journal: InstanceJournal = createMemoryJournal(),
): KafkaLog {
  const client = createRestClient(settings.url, settings.credentials, deps.fetch)
  let adapter: DialectAdapter | undefined
  const connect = async (): Promise<DialectAdapter> => {
    const dialect = await dialectOf(settings, client, deps)
    // Two concurrent first calls must end up with the same adapter, or instances would be lost track of.
    adapter ??= createDialectAdapter(settings, client, dialect, deps, journal)
    return adapter
  }
  const warnOnce = createHeaderWarning(settings, client, deps)
  return {
    wakesFollowers: false,
    partitions: async (topic) => (await connect()).topics.partitions(topic),
    topics: () => listTopics(client),
    offsets: async (topic, partition) => {
      const range = await (await connect()).topics.offsets({ topic, partition })
      if (range !== null) return range
      const message = `topic ${topic} has no partition ${partition}`
      throw new KafkaRestError(hostOf(client), 'offsets', { status: 404, message })
    },
    fetch: async (position, limits) => {
      const { reader } = await connect()
      warnOnce(position)
      return reader.fetch(position, limits)
    },
    produce: async (records) => (records.length === 0 ? [] : (await connect()).producer.produce(records)),
  }
}

async function dialectOf(settings: KafkaRestSettings, client: RestClient, { cache }: RestDeps): Promise<Dialect> {
  const known = settings.dialect ?? cache.dialects.get(settings.url)
  if (known !== undefined) return known
  const found = await detectDialect(client)
  cache.dialects.set(settings.url, found)
  return found
}

function createDialectAdapter(
  settings: KafkaRestSettings,
  client: RestClient,
  dialect: Dialect,
  deps: RestDeps,
  journal: InstanceJournal,
): DialectAdapter {
  const { instanceHosts } = settings
  const redpanda = dialect === 'redpanda' ? new RedpandaReader({ client, instanceHosts, deps }) : undefined
  const topics = redpanda ?? createTopicReader(client)
  const reader = redpanda ?? new InstanceReader({ client, topics, dialect, instanceHosts, journal, deps })
  const partitions = (topic: string) => topics.partitions(topic)
  return { topics, reader, producer: createV2Producer({ client, dialect, partitions, deps }) }
}

/** Warns once per follower that the dialect has no headers, so CloudEvents in binary mode cannot be recognised. */
function createHeaderWarning(settings: KafkaRestSettings, client: RestClient, deps: RestDeps) {
  let isWarned = false
  return ({ topic, partition }: LogPosition): void => {
    const dialect = settings.dialect ?? deps.cache.dialects.get(settings.url)
    if (isWarned || dialect === undefined) return
    isWarned = true
    if (TRAITS[dialect].deliversHeaders) return
    const message = `the Kafka REST proxy is of dialect ${dialect}, which delivers no headers: CloudEvents in binary mode become dead letters, structured mode works`
    deps.warn(message, { proxy: hostOf(client), dialect, topic, partition })
  }
}
