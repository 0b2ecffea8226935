// The KafkaLog over a proxy of the REST Proxy v2 family. Puts together what the dialect needs: Redpanda's fetch by offset,
// or consumer instances. The dialect is named by the configuration, or found out when it is first needed.
import type { Dialect, KafkaRestSettings } from '../../config/kafka-rest.ts'
import type { LogPosition } from '../../core/events/kafka-record.ts'
import type { Fetched, FetchLimits, KafkaLog } from '../kafka-log.ts'
import type { RestDeps } from './rest-deps.ts'
import { detectDialect, TRAITS } from './dialect.ts'
import { createPassingNotes, type InstanceJournal } from './instance-journal.ts'
import { InstanceReader } from './instance-reader.ts'
import type { Producer } from './produce-with-retry.ts'
import { createProducer } from './produce-v2.ts'
import { RedpandaLog } from './redpanda-log.ts'
import { createRestClient, hostOf, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'
import { createTopics, type Topics } from './topics.ts'

interface Spoken {
  readonly topics: Topics
  readonly reader: { fetch(position: LogPosition, limits: FetchLimits): Promise<Fetched> }
  readonly producer: Producer
}

/** `notes`: of a follower, who alone fetches. */
export function createKafkaRestLog(
  settings: KafkaRestSettings,
  deps: RestDeps,
  notes: InstanceJournal = createPassingNotes(),
): KafkaLog {
  const client = createRestClient(settings.url, settings.credentials, deps.fetch)
  let spoken: Spoken | undefined
  const speak = async (): Promise<Spoken> => {
    const dialect = await dialectOf(settings, client, deps)
    // Two that ask at the same time: the instances of the one that is kept must be the only ones.
    spoken ??= createSpoken(settings, client, dialect, deps, notes)
    return spoken
  }
  const sayOnce = createNotice(settings, client, deps)
  return {
    wakesFollowers: false,
    partitions: async (topic) => (await speak()).topics.partitions(topic),
    offsets: async (topic, partition) => {
      const range = await (await speak()).topics.offsets({ topic, partition })
      if (range !== null) return range
      const message = `there is no partition ${partition} of ${topic}`
      throw new KafkaRestError(hostOf(client), 'offsets', { status: 404, message })
    },
    fetch: async (position, limits) => {
      const { reader } = await speak()
      sayOnce(position)
      return reader.fetch(position, limits)
    },
    produce: async (records) => (records.length === 0 ? [] : (await speak()).producer.produce(records)),
  }
}

async function dialectOf(settings: KafkaRestSettings, client: RestClient, { memory }: RestDeps): Promise<Dialect> {
  const known = settings.dialect ?? memory.dialects.get(settings.url)
  if (known !== undefined) return known
  const found = await detectDialect(client)
  memory.dialects.set(settings.url, found)
  return found
}

function createSpoken(
  settings: KafkaRestSettings,
  client: RestClient,
  dialect: Dialect,
  deps: RestDeps,
  notes: InstanceJournal,
): Spoken {
  const { instanceHosts } = settings
  const redpanda = dialect === 'redpanda' ? new RedpandaLog({ client, instanceHosts, deps }) : undefined
  const topics = redpanda ?? createTopics(client)
  const reader = redpanda ?? new InstanceReader({ client, topics, dialect, instanceHosts, notes, deps })
  const partitions = (topic: string) => topics.partitions(topic)
  return { topics, reader, producer: createProducer({ client, dialect, partitions, deps }) }
}

/** Once for whoever follows: that events in binary mode cannot be known for what they are. */
function createNotice(settings: KafkaRestSettings, client: RestClient, deps: RestDeps) {
  let isSaid = false
  return ({ topic, partition }: LogPosition): void => {
    const dialect = settings.dialect ?? deps.memory.dialects.get(settings.url)
    if (isSaid || dialect === undefined) return
    isSaid = true
    if (TRAITS[dialect].deliversHeaders) return
    const message = `the Kafka REST proxy speaks ${dialect}, which delivers no headers: CloudEvents in binary mode go to the dead-letter topic, only structured mode is understood`
    deps.warn(message, { proxy: hostOf(client), dialect, topic, partition })
  }
}
