// env → Config: every variable, its default, limit and unit, once. Nothing else reads a variable. A bad value never
// half works: parseConfig lists every problem with the variable's name, what was wrong and what would be right.
// docs/configuration.md is written from this file.
import { z } from 'zod'
import type { Extractors, FieldExtractor, RecipientPointers } from './core/extractors.ts'
import { parsePointer, type JsonPointer } from './core/json-pointer.ts'
import { fail, ok, type Result } from './core/result.ts'

const JWT_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

const DEFAULT_JWT_ALG = 'HS256'

function integer(fallback: number, minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be a whole number from ${minimum} to ${maximum}`)
    .default(fallback)
}

const flag = z
  .enum(['true', 'false', '1', '0'], 'must be true or false')
  .transform((value) => value === 'true' || value === '1')
  .default(false)

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

const origins = z
  .string()
  .refine(
    (text) => text === '*' || text.split(',').every((origin) => isOrigin(origin.trim())),
    'must be "*", or origins such as https://app.example.com, separated by commas',
  )

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text
}

const topicName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,249}$/, 'must be a Kafka topic name: 1 to 249 of letters, digits, ".", "_" and "-"')

const pointer = z.string().transform((text, context): JsonPointer => {
  const parsed = parsePointer(text)
  if (parsed !== undefined) return parsed
  context.addIssue(`must be a JSON pointer such as "/data/user", got "${show(text)}"`)
  return z.NEVER
})

function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue('must be JSON')
        return z.NEVER
      }
    })
    .pipe(schema)
}

const pointerSchema = z.strictObject({ json_pointer: pointer }, 'must be {"json_pointer": "/data/name"}')

// Strict: a misspelt "jwt" would make subscriptions wider without a word.
const fieldSchema = z.strictObject(
  {
    // Needed by RIG's matching table only; accepted so that RIG's configuration works as it is.
    stable_field_index: z.number('must be a number').int('must be whole').min(0, 'must be 0 or more').optional(),
    event: pointerSchema,
    jwt: pointerSchema.optional(),
  },
  'must be {"event": {"json_pointer": "/data/name"}} and, optionally, "jwt" and "stable_field_index"',
)

const named = z.string().min(1, 'a name must not be empty')

const extractorSchema = json(
  z.record(
    named,
    z.record(named, fieldSchema, 'must be an object: field name → where to find it'),
    'must be a JSON object: event type → field name → {"event": {"json_pointer": "/data/name"}}',
  ),
).transform((config): Extractors => {
  return new Map(
    Object.entries(config).map(([type, fields]): [string, readonly FieldExtractor[]] => [
      type,
      Object.entries(fields).map(([name, field]) => ({
        name,
        event: field.event.json_pointer,
        claim: field.jwt?.json_pointer,
      })),
    ]),
  )
})

const recipientSchema = z
  .string()
  .transform((text): unknown => (text.startsWith('/') ? JSON.stringify({ '*': text }) : text))
  .pipe(
    json(
      z.record(
        named,
        pointer,
        'must be a JSON pointer such as "/data/user", or a JSON object: event type, or "*" → JSON pointer',
      ),
    ),
  )
  .transform((config): RecipientPointers => {
    const { '*': all, ...byType } = config
    return { all, byType: new Map(Object.entries(byType)) }
  })

const check = z.union(
  [
    z
      .string()
      .toLowerCase()
      .pipe(z.enum(['no_check', 'jwt_validation'])),
    z.literal('').transform(() => 'no_check' as const),
  ],
  'must be NO_CHECK or JWT_VALIDATION',
)

const schema = z.object({
  // Connections
  SHARDS: integer(4, 1, 100_000),
  MAX_CONNECTIONS_PER_SHARD: integer(20_000, 1, 32_768),
  MAX_CONNECTIONS_PER_MINUTE: integer(5_000, 1, 1_000_000),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: integer(100, 1, 10_000),
  MAX_CONNECTION_LIFETIME_SECONDS: integer(86_400, 10, 31_536_000),
  MAX_WAITING_BYTES: integer(1_048_576, 1_024, 33_554_432),
  HEARTBEAT_SECONDS: integer(15, 1, 300),
  RECONNECT_MS: integer(2_000, 100, 600_000),
  LONGPOLLING_WAIT_SECONDS: integer(20, 0, 60),
  LONGPOLLING_IDLE_SECONDS: integer(3_600, 10, 86_400),
  CORS: origins.default('*'),
  // A shard's log
  LOG_RETENTION_SECONDS: integer(3_600, 1, 604_800),
  LOG_RETENTION_BYTES: integer(67_108_864, 65_536, 4_294_967_296),
  // Tokens
  JWT_SECRET_KEY: z.string().default(''),
  JWT_ALG: z.enum(JWT_ALGORITHMS, `must be one of ${JWT_ALGORITHMS.join(', ')}`).optional(),
  JWT_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as https://id.example.com/.well-known/jwks.json' })
    .optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: list.pipe(z.array(z.string()).min(1, 'must name at least one audience')).optional(),
  JWT_LEEWAY_SECONDS: integer(0, 0, 600),
  JWT_USER_FIELD: pointer.default(['sub']),
  JWT_SESSION_FIELD: pointer.default(['jti']),
  JWT_COOKIE: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a cookie name')
    .optional(),
  SUBSCRIPTION_CHECK: check.default('no_check'),
  SUBMISSION_CHECK: check.default('jwt_validation'),
  // Events
  EXTRACTORS: extractorSchema.optional(),
  RECIPIENTS: recipientSchema.optional(),
  MAX_EVENT_BYTES: integer(131_072, 1_024, 1_048_576),
  // Kafka
  KAFKA_SOURCE_TOPICS: list.pipe(z.array(topicName).min(1, 'must name at least one topic')).default(['rig']),
  KAFKA_DEAD_LETTER_TOPIC: topicName.default('rig-dead-letter'),
  KAFKA_AUTO_OFFSET_RESET: z.enum(['earliest', 'latest'], 'must be earliest or latest').optional(),
  KAFKA_PARTITIONS: integer(4, 1, 1_000),
  KAFKA_LOG_RETENTION_SECONDS: integer(86_400, 1, 31_536_000),
  KAFKA_LOG_RETENTION_BYTES: integer(268_435_456, 1_024, 8_589_934_592),
  KAFKA_USERNAME: z.string().min(1).optional(),
  KAFKA_PASSWORD: z.string().min(1).optional(),
  PULL_MODE: z.enum(['continuous', 'scheduled'], 'must be continuous or scheduled').default('continuous'),
  UPSTASH_KAFKA_REST_URL: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as https://example-rest-kafka.upstash.io' })
    .optional(),
  UPSTASH_KAFKA_REST_USERNAME: z.string().min(1).optional(),
  UPSTASH_KAFKA_REST_PASSWORD: z.string().min(1).optional(),
  // Development
  DEV_MODE: flag,
})

export type Config = Readonly<ReturnType<typeof toConfig>>

/** One line a problem: `NAME: what was wrong and what would be right`. */
export type ConfigProblems = readonly string[]

export function parseConfig(env: object): Result<Config, ConfigProblems> {
  const variables = readVariables(env)
  const parsed = schema.safeParse(variables)
  const problems = parsed.success
    ? contradictions(parsed.data)
    : parsed.error.issues.map((issue) => describe(issue, variables))
  problems.push(...unsupported(env))
  if (!parsed.success || problems.length > 0) return fail(problems)
  return ok(toConfig(parsed.data))
}

/** As text, whatever TOML or JSON made of it: `SHARDS = 4` is a number. An empty variable counts as not set. */
function readVariables(env: object): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env) as [string, unknown][]) {
    if (!Object.hasOwn(schema.shape, name) || value === '' || value === undefined || value === null) continue
    variables[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  return variables
}

/** `NAME: in greeting, name: what would be right, got "what there is"`. */
function describe({ path, message }: z.core.$ZodIssue, variables: Readonly<Record<string, string>>): string {
  const [name = '', ...inner] = path.map(String)
  const place = inner.length === 0 ? '' : `in ${inner.join(', ')}: `
  // The texts stand on a public page: what may hold a secret is not repeated.
  const isSecret = /SECRET|PASSWORD|USERNAME|URL/.test(name)
  const isTold = message.includes(', got ') || inner.length > 0 || isSecret
  return `${name}: ${place}${message}${isTold ? '' : `, got "${show(variables[name] ?? '')}"`}`
}

function show(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

/** RIG's, or planned: with them set, Rigel would seem to work while events stay in the embedded log. */
function unsupported(env: object): readonly string[] {
  return ['KAFKA_BROKERS', 'KAFKA_REST_URL']
    .filter((name) => Object.hasOwn(env, name) && (env as Record<string, unknown>)[name] !== '')
    .map((name) => `${name}: is not supported yet; unset it for the embedded log, or use UPSTASH_KAFKA_REST_URL`)
}

/** For Durable Objects: the Worker has answered a bad configuration with 500 before it reaches one. */
export function configOf(env: object): Config {
  const config = parseConfig(env)
  if (!config.ok) throw new TypeError(`invalid configuration: ${config.reason.join('; ')}`)
  return config.value
}

type Variables = z.infer<typeof schema>

function contradictions(v: Variables): string[] {
  const problems: string[] = []
  if (v.UPSTASH_KAFKA_REST_URL && !(v.UPSTASH_KAFKA_REST_USERNAME && v.UPSTASH_KAFKA_REST_PASSWORD)) {
    problems.push('UPSTASH_KAFKA_REST_URL: needs UPSTASH_KAFKA_REST_USERNAME and UPSTASH_KAFKA_REST_PASSWORD')
  }
  if (Boolean(v.KAFKA_USERNAME) !== Boolean(v.KAFKA_PASSWORD)) {
    problems.push('KAFKA_USERNAME: needs KAFKA_PASSWORD, and the other way round')
  }
  if (!v.UPSTASH_KAFKA_REST_URL && (v.UPSTASH_KAFKA_REST_USERNAME || v.UPSTASH_KAFKA_REST_PASSWORD)) {
    problems.push('UPSTASH_KAFKA_REST_USERNAME: needs UPSTASH_KAFKA_REST_URL; without it the embedded log is used')
  }
  problems.push(...keyContradictions(v))
  if (v.JWT_JWKS_URL && v.JWT_SECRET_KEY) problems.push('JWT_JWKS_URL: set either it or JWT_SECRET_KEY, not both')
  if (v.KAFKA_SOURCE_TOPICS.includes(v.KAFKA_DEAD_LETTER_TOPIC)) {
    problems.push(
      'KAFKA_DEAD_LETTER_TOPIC: must not be one of KAFKA_SOURCE_TOPICS: what cannot be decoded would be followed for ever',
    )
  }
  return problems
}

/** A public key as the secret of HS* would let everybody sign; the other way round nothing would verify. */
function keyContradictions({ JWT_SECRET_KEY: key, JWT_ALG: algorithm, JWT_JWKS_URL: url }: Variables): string[] {
  const isHmac = (algorithm ?? DEFAULT_JWT_ALG).startsWith('HS')
  if (url !== undefined && algorithm !== undefined && isHmac) {
    return ['JWT_ALG: must be RS*, PS*, ES* or EdDSA with JWT_JWKS_URL, or unset: a key set holds public keys']
  }
  if (key.includes('PRIVATE KEY-----')) {
    return ['JWT_SECRET_KEY: is a private key; must be the public key, or the certificate, that belongs to it']
  }
  const isPem = /-----BEGIN (PUBLIC KEY|CERTIFICATE)-----/.test(key)
  if (isHmac && isPem) {
    return ['JWT_ALG: must name the algorithm of the public key in JWT_SECRET_KEY, such as RS256']
  }
  if (!isHmac && key !== '' && !isPem) {
    return [`JWT_SECRET_KEY: must be a PEM "PUBLIC KEY" or "CERTIFICATE" for JWT_ALG ${algorithm}`]
  }
  return []
}

function toConfig(v: Variables) {
  const upstash = v.UPSTASH_KAFKA_REST_URL
    ? {
        url: v.UPSTASH_KAFKA_REST_URL,
        username: v.UPSTASH_KAFKA_REST_USERNAME ?? '',
        password: v.UPSTASH_KAFKA_REST_PASSWORD ?? '',
      }
    : null
  return deepFreeze({
    shards: v.SHARDS,
    connections: {
      perShard: v.MAX_CONNECTIONS_PER_SHARD,
      /** New connections per calendar minute and shard. */
      perMinute: v.MAX_CONNECTIONS_PER_MINUTE,
      subscriptions: v.MAX_SUBSCRIPTIONS_PER_CONNECTION,
      lifetimeMs: v.MAX_CONNECTION_LIFETIME_SECONDS * 1_000,
      waitingBytes: v.MAX_WAITING_BYTES,
      heartbeatMs: v.HEARTBEAT_SECONDS * 1_000,
      /** SSE's `retry:`. */
      reconnectMs: v.RECONNECT_MS,
      longpollingWaitMs: v.LONGPOLLING_WAIT_SECONDS * 1_000,
      longpollingIdleMs: v.LONGPOLLING_IDLE_SECONDS * 1_000,
    },
    cors: v.CORS,
    log: { retentionMs: v.LOG_RETENTION_SECONDS * 1_000, retentionBytes: v.LOG_RETENTION_BYTES },
    jwt: {
      secret: v.JWT_SECRET_KEY,
      algorithm: v.JWT_ALG ?? DEFAULT_JWT_ALG,
      jwksUrl: v.JWT_JWKS_URL ?? null,
      issuer: v.JWT_ISSUER ?? null,
      audience: v.JWT_AUDIENCE ?? null,
      leewaySeconds: v.JWT_LEEWAY_SECONDS,
      userField: v.JWT_USER_FIELD,
      sessionField: v.JWT_SESSION_FIELD,
      cookie: v.JWT_COOKIE ?? null,
    },
    subscriptionCheck: v.SUBSCRIPTION_CHECK,
    submissionCheck: v.SUBMISSION_CHECK,
    extractors: v.EXTRACTORS ?? new Map<string, readonly FieldExtractor[]>(),
    recipients: v.RECIPIENTS ?? { all: undefined, byType: new Map<string, JsonPointer>() },
    maxEventBytes: v.MAX_EVENT_BYTES,
    kafka: {
      topics: v.KAFKA_SOURCE_TOPICS,
      deadLetterTopic: v.KAFKA_DEAD_LETTER_TOPIC,
      /** Where a follower without a checkpoint starts. The embedded log is new when it is first used, so nothing of it is skipped. */
      autoOffsetReset: v.KAFKA_AUTO_OFFSET_RESET ?? (upstash ? 'latest' : 'earliest'),
      pullMode: v.PULL_MODE,
      upstash,
      embedded: {
        partitions: v.KAFKA_PARTITIONS,
        retentionMs: v.KAFKA_LOG_RETENTION_SECONDS * 1_000,
        retentionBytes: v.KAFKA_LOG_RETENTION_BYTES,
        /** Who may use the embedded log over HTTP; null: nobody. */
        credentials:
          v.KAFKA_USERNAME && v.KAFKA_PASSWORD ? { username: v.KAFKA_USERNAME, password: v.KAFKA_PASSWORD } : null,
      },
    },
    devMode: v.DEV_MODE,
  })
}

/** Maps stay as they are: their types are read-only. */
function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    if (typeof inner === 'object' && inner !== null && !(inner instanceof Map)) deepFreeze(inner)
  }
  return Object.freeze(value)
}
