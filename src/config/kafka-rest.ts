// Variables of Kafka by REST: the REST proxy that is followed and produced to (REST Proxy v2 and its relatives), and
// Confluent's REST v3, which only produces. Used by src/kafka/rest.
import * as z from 'zod'
import { exposesSecrets, HTTPS_RULE, list, serviceUrl, show } from './env-fields.ts'

const DIALECTS = ['redpanda', 'confluent', 'karapace', 'strimzi'] as const
/** Which REST proxy it is: they differ in paths, headers and errors (docs/kafka.md). */
export type Dialect = (typeof DIALECTS)[number]

/** Sent in an `authorization` header. The message does not repeat the value, which is a secret. */
const credential = z.string().regex(/^[\x20-\x7e]+$/, 'must be printable ASCII, got other characters')

const baseUrl = (example: string) =>
  serviceUrl(example).refine(
    (text) => !/[?#@]/.test(text),
    'must have no user, no query and no fragment: credentials have variables',
  )

/** The variables of Kafka by REST, as zod schemas. */
export const kafkaRestVariables = {
  KAFKA_REST_URL: baseUrl('https://rest-proxy.example.com').optional(),
  KAFKA_REST_USERNAME: credential.optional(),
  KAFKA_REST_PASSWORD: credential.optional(),
  KAFKA_REST_TOKEN: credential.optional(),
  KAFKA_REST_DIALECT: z.enum(DIALECTS, `must be one of ${DIALECTS.join(', ')}`).optional(),
  KAFKA_REST_BINDING: z.string().min(1).optional(),
  KAFKA_REST_INSTANCE_HOSTS: list
    .pipe(z.array(z.string().regex(/^[A-Za-z0-9.-]+(:\d{1,5})?$/, 'must be hosts such as rest-1.example.com:8443')))
    .default([]),
  KAFKA_REST_V3_URL: baseUrl('https://pkc-abcde.eu-west-1.aws.confluent.cloud/kafka').optional(),
  KAFKA_REST_V3_CLUSTER: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a cluster id such as lkc-vo9pz')
    .optional(),
  KAFKA_REST_V3_KEY: credential.optional(),
  KAFKA_REST_V3_SECRET: credential.optional(),
  KAFKA_REST_V3_TOKEN: credential.optional(),
}

type Variables = z.infer<z.ZodObject<typeof kafkaRestVariables>>

/** Variables of the other adapters: only one of them can be used. */
interface OtherAdapters {
  readonly UPSTASH_KAFKA_REST_URL?: string | undefined
  readonly KAFKA_BROKERS: readonly unknown[]
}

/** How Rigel authenticates to a REST proxy: Basic (RFC 7617), Bearer (RFC 6750), or not at all. */
export type RestCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }

/** The REST proxy that is followed and produced to. */
export interface KafkaRestSettings {
  /** Base URL, without a slash at its end. */
  readonly url: string
  readonly credentials: RestCredentials
  /** The dialect of the proxy. Null if the adapter has to detect it. */
  readonly dialect: Dialect | null
  /**
   * Name of the binding that requests are sent by: `mtls_certificates`, `vpc_services` or `services`; null: by the
   * internet.
   */
  readonly binding: string | null
  /** Hosts of a `base_uri` that are used as they are; every other host is replaced by that of `url`. */
  readonly instanceHosts: readonly string[]
}

/** Confluent's REST v3: produces only. */
export interface KafkaRestV3Settings {
  readonly url: string
  readonly cluster: string
  readonly credentials: RestCredentials
}

/** Returns the settings of the REST proxy, or null if KAFKA_REST_URL is not set. */
export function toKafkaRest(v: Variables): KafkaRestSettings | null {
  if (v.KAFKA_REST_URL === undefined) return null
  return {
    url: v.KAFKA_REST_URL.replace(/\/+$/, ''),
    credentials: toCredentials(v.KAFKA_REST_USERNAME, v.KAFKA_REST_PASSWORD, v.KAFKA_REST_TOKEN),
    dialect: v.KAFKA_REST_DIALECT ?? null,
    binding: v.KAFKA_REST_BINDING ?? null,
    instanceHosts: v.KAFKA_REST_INSTANCE_HOSTS,
  }
}

/** Returns the settings of REST v3, or null if KAFKA_REST_V3_URL is not set. */
export function toKafkaRestV3(v: Variables): KafkaRestV3Settings | null {
  if (v.KAFKA_REST_V3_URL === undefined) return null
  return {
    url: v.KAFKA_REST_V3_URL.replace(/\/+$/, ''),
    cluster: v.KAFKA_REST_V3_CLUSTER ?? '',
    credentials: toCredentials(v.KAFKA_REST_V3_KEY, v.KAFKA_REST_V3_SECRET, v.KAFKA_REST_V3_TOKEN),
  }
}

function toCredentials(username: string | undefined, password: string | undefined, token: string | undefined) {
  if (token !== undefined) return { kind: 'bearer', token } as const
  if (username !== undefined) return { kind: 'basic', username, password: password ?? '' } as const
  return { kind: 'none' } as const
}

/** Returns a problem for each combination of variables that cannot work. `env` is everything that is set. */
export function kafkaRestContradictions(v: Variables & OtherAdapters, env: object): readonly string[] {
  return [...proxyContradictions(v), ...bindingContradictions(v, env), ...v3Contradictions(v)]
}

function* proxyContradictions(v: Variables & OtherAdapters): Generator<string> {
  const { KAFKA_REST_URL: url, KAFKA_REST_USERNAME: user, KAFKA_REST_PASSWORD: password, KAFKA_REST_TOKEN: token } = v
  if (url === undefined) {
    const names = [
      'KAFKA_REST_USERNAME',
      'KAFKA_REST_PASSWORD',
      'KAFKA_REST_TOKEN',
      'KAFKA_REST_DIALECT',
      'KAFKA_REST_BINDING',
    ] as const
    for (const name of names.filter((one) => v[one] !== undefined)) yield `${name}: needs KAFKA_REST_URL`
    if (v.KAFKA_REST_INSTANCE_HOSTS.length > 0) yield 'KAFKA_REST_INSTANCE_HOSTS: needs KAFKA_REST_URL'
    return
  }
  if (v.UPSTASH_KAFKA_REST_URL)
    yield 'KAFKA_REST_URL: cannot be set beside UPSTASH_KAFKA_REST_URL: one Kafka is followed'
  if (v.KAFKA_BROKERS.length > 0)
    yield 'KAFKA_REST_URL: cannot be set beside KAFKA_BROKERS: one Kafka is followed, in one way'
  if ((user === undefined) !== (password === undefined)) {
    yield 'KAFKA_REST_USERNAME: needs KAFKA_REST_PASSWORD, and the other way round'
  }
  if (user !== undefined && token !== undefined) {
    yield 'KAFKA_REST_TOKEN: cannot be set beside KAFKA_REST_USERNAME: one of them is sent'
  }
  // The private network encrypts requests that are sent by a binding, so http:// is safe.
  const isPublic = v.KAFKA_REST_BINDING === undefined
  if (isPublic && (user ?? token) !== undefined && exposesSecrets(url)) yield `KAFKA_REST_URL: ${HTTPS_RULE}`
}

function* bindingContradictions({ KAFKA_REST_BINDING: name }: Variables, env: object): Generator<string> {
  if (name === undefined) return
  const binding = (env as Readonly<Record<string, unknown>>)[name]
  if (typeof binding === 'object' && binding !== null && 'fetch' in binding) return
  const kinds = 'an mtls_certificates, vpc_services or services binding of wrangler.toml'
  yield `KAFKA_REST_BINDING: must name ${kinds}, and there is none called ${show(name)}`
}

function* v3Contradictions(v: Variables & OtherAdapters): Generator<string> {
  const { KAFKA_REST_V3_URL: url, KAFKA_REST_V3_KEY: key, KAFKA_REST_V3_SECRET: secret, KAFKA_REST_V3_TOKEN: token } = v
  if (url === undefined) {
    const names = ['KAFKA_REST_V3_CLUSTER', 'KAFKA_REST_V3_KEY', 'KAFKA_REST_V3_SECRET', 'KAFKA_REST_V3_TOKEN'] as const
    for (const name of names.filter((one) => v[one] !== undefined)) yield `${name}: needs KAFKA_REST_V3_URL`
    return
  }
  if (v.KAFKA_REST_V3_CLUSTER === undefined) yield 'KAFKA_REST_V3_URL: needs KAFKA_REST_V3_CLUSTER'
  if (v.UPSTASH_KAFKA_REST_URL)
    yield 'KAFKA_REST_V3_URL: cannot be set beside UPSTASH_KAFKA_REST_URL, which produces itself'
  if ((key === undefined) !== (secret === undefined)) {
    yield 'KAFKA_REST_V3_KEY: needs KAFKA_REST_V3_SECRET, and the other way round'
  }
  if (key !== undefined && token !== undefined) {
    yield 'KAFKA_REST_V3_TOKEN: cannot be set beside KAFKA_REST_V3_KEY: one of them is sent'
  }
  if ((key ?? token) !== undefined && exposesSecrets(url)) yield `KAFKA_REST_V3_URL: ${HTTPS_RULE}`
}
