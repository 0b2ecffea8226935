// The dialects of the REST Proxy API v2: what each supports, and how Rigel detects it. The probes use no topic; each request
// has a response that is specific to one of the four proxies.
import * as z from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import { BINARY_V2, hostOf, parseJsonBody, requireOk, type RestResponse, type RestClient } from './rest-client.ts'
import { KafkaRestError } from './rest-error.ts'

interface DialectTraits {
  readonly deliversHeaders: boolean
  readonly takesHeaders: boolean
  /** Longest poll. Karapace holds records until the poll times out, so a long poll would delay events. */
  readonly pollMs: number
  /** Whether polls have a byte limit. Strimzi reads first and then refuses with 422, which loses the records. */
  readonly takesMaxBytes: boolean
  /** Whether Rigel chooses partitions. Karapace hashes keys unlike Kafka; Redpanda returns one offset per partition. */
  readonly choosesPartition: boolean
}

const JAVA = { pollMs: 60_000, choosesPartition: false }

/** What each dialect supports. */
export const TRAITS: Readonly<Record<Dialect, DialectTraits>> = {
  redpanda: {
    deliversHeaders: false,
    takesHeaders: false,
    pollMs: 60_000,
    takesMaxBytes: true,
    choosesPartition: true,
  },
  confluent: { ...JAVA, deliversHeaders: false, takesHeaders: false, takesMaxBytes: true },
  karapace: { deliversHeaders: false, takesHeaders: false, pollMs: 500, takesMaxBytes: true, choosesPartition: true },
  strimzi: { ...JAVA, deliversHeaders: true, takesHeaders: true, takesMaxBytes: false },
}

const JSON_TYPES = 'application/vnd.kafka.v2+json, application/json'
const bridgeInfo = z.object({ bridge_version: z.string() })
const redpandaError = z.object({ error_code: z.literal(40_002) })
const karapaceHealth = z.object({ karapace_version: z.unknown(), process_uptime_sec: z.number() })

/** Throws a KafkaRestError if the proxy does not answer, refuses the credentials, or is not a known proxy. */
export async function detectDialect(client: RestClient): Promise<Dialect> {
  const root = await probe(client, '/', JSON_TYPES)
  if (bridgeInfo.safeParse(parseJsonBody(root)).success) return 'strimzi'
  // A route of Redpanda only. It refuses the missing offset before it looks for the topic.
  const records = await probe(client, '/topics/rigel-probe/partitions/0/records', BINARY_V2)
  if (redpandaError.safeParse(parseJsonBody(records)).success) return 'redpanda'
  const health = await probe(client, '/_health', JSON_TYPES)
  if (karapaceHealth.safeParse(parseJsonBody(health)).success) return 'karapace'
  await requireProxy(client)
  return 'confluent'
}

/** Returns the response. Throws for a status that says nothing about the dialect. */
async function probe(client: RestClient, path: string, accept: string): Promise<RestResponse> {
  const answer = await client.request({ method: 'GET', path, accept })
  const isInconclusive = answer.status === 401 || answer.status === 403 || answer.status === 429 || answer.status >= 500
  if (isInconclusive) requireOk(client, answer)
  return answer
}

/** Confluent's proxy has no distinctive response, so a proxy without another dialect must at least list topics. */
async function requireProxy(client: RestClient): Promise<void> {
  const topics = await probe(client, '/topics', JSON_TYPES)
  if (topics.status === 200 && z.array(z.string()).safeParse(parseJsonBody(topics)).success) return
  const message = 'is not a known Kafka REST proxy; if it is one, set KAFKA_REST_DIALECT'
  throw new KafkaRestError(hostOf(client), 'GET /topics', { status: topics.status, message })
}
