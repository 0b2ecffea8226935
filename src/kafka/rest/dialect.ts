// Which dialect of the REST Proxy v2 family a proxy speaks: what each of them can, and how it is found out. The probes
// touch no topic: each asks for what only one of the four answers in its own way.
import { z } from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import { BINARY_V2, hostOf, jsonOf, requireOk, type RestAnswer, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'

interface Traits {
  readonly deliversHeaders: boolean
  readonly takesHeaders: boolean
  /** The longest poll. Karapace keeps what it has read until the poll's time is up: a long one would make events late. */
  readonly pollMs: number
  /** Strimzi reads first and then refuses with 422 what is more: the records would be gone from the instance. */
  readonly takesMaxBytes: boolean
  /** Who finds the partition of a key. Karapace's client has another hash than Kafka's; Redpanda names one place a partition. */
  readonly partitionsHere: boolean
}

const JAVA = { pollMs: 60_000, partitionsHere: false }

export const TRAITS: Readonly<Record<Dialect, Traits>> = {
  redpanda: { deliversHeaders: false, takesHeaders: false, pollMs: 60_000, takesMaxBytes: true, partitionsHere: true },
  confluent: { ...JAVA, deliversHeaders: false, takesHeaders: false, takesMaxBytes: true },
  karapace: { deliversHeaders: false, takesHeaders: false, pollMs: 500, takesMaxBytes: true, partitionsHere: true },
  strimzi: { ...JAVA, deliversHeaders: true, takesHeaders: true, takesMaxBytes: false },
}

const JSON_TYPES = 'application/vnd.kafka.v2+json, application/json'
const bridgeInfo = z.object({ bridge_version: z.string() })
const redpandaError = z.object({ error_code: z.literal(40_002) })
const karapaceHealth = z.object({ karapace_version: z.unknown(), process_uptime_sec: z.number() })

/** Throws if the proxy does not answer, refuses the credentials, or is none. */
export async function detectDialect(client: RestClient): Promise<Dialect> {
  const root = await probe(client, '/', JSON_TYPES)
  if (bridgeInfo.safeParse(jsonOf(root)).success) return 'strimzi'
  // Redpanda's own route, refused before it looks for the topic: the offset is missing.
  const records = await probe(client, '/topics/rigel-probe/partitions/0/records', BINARY_V2)
  if (redpandaError.safeParse(jsonOf(records)).success) return 'redpanda'
  const health = await probe(client, '/_health', JSON_TYPES)
  if (karapaceHealth.safeParse(jsonOf(health)).success) return 'karapace'
  await requireProxy(client)
  return 'confluent'
}

/** Answers anything but what says nothing of the dialect. */
async function probe(client: RestClient, path: string, accept: string): Promise<RestAnswer> {
  const answer = await client.ask({ method: 'GET', path, accept })
  const saysNothing = answer.status === 401 || answer.status === 403 || answer.status === 429 || answer.status >= 500
  if (saysNothing) requireOk(client, answer)
  return answer
}

/** Confluent's has no mark of its own, so what is left must at least be a proxy. */
async function requireProxy(client: RestClient): Promise<void> {
  const topics = await probe(client, '/topics', JSON_TYPES)
  if (topics.status === 200 && z.array(z.string()).safeParse(jsonOf(topics)).success) return
  const message = 'is no Kafka REST proxy that is known; if it is one, name it by KAFKA_REST_DIALECT'
  throw new KafkaRestError(hostOf(client), 'GET /topics', { status: topics.status, message })
}
