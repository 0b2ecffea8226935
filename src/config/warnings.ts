// Variables that are set without effect: misspelt ones, and RIG's that mean nothing here. They are warnings, not
// problems: a Worker may have variables for other purposes. Logged at the start of an isolate; `npm run doctor` shows
// them too.

/** RIG's variables without a meaning here, by what to do instead. docs/migrating-from-rig.md has them all. */
const WITHOUT_MEANING: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [
    /^KINESIS_(APP_NAME|DYNAMODB_ENDPOINT)$/,
    'Rigel keeps its positions in Kinesis itself, and needs no table of DynamoDB',
  ],
  [/^KINESIS_(CLIENT_JAR|OTP_JAR|LOG_LEVEL)$/, 'Rigel reads Kinesis itself, without a process of Java'],
  [/^PROXY_KINESIS_RESPONSE_TIMEOUT$/, 'no response is waited for in Kinesis'],
  [/^FIREHOSE_/, 'Rigel has no firehose: let a consumer group read the topic'],
  [
    /^(KAFKATOFILTER_KAFKA_GROUP_ID|PROXY_KAFKA_RESPONSE_KAFKA_GROUP_ID)$/,
    'Rigel keeps its own offsets: KAFKA_GROUP_ID shows the lag',
  ],
  [/^KAFKA_RESTART_DELAY_MS$/, 'Rigel retries with growing pauses'],
  [
    /^(API_HTTP_PORT|API_HTTPS_PORT|INBOUND_PORT|INBOUND_HTTPS_PORT|HTTPS_CERTFILE|HTTPS_KEYFILE|HTTPS_KEYFILE_PASS)$/,
    'ports and certificates are the platform’s; the internal API is under /_rig/api',
  ],
  [/^(DISCOVERY_TYPE|DNS_NAME|NODE_HOST|NODE_COOKIE|ERL_MAX_PORTS)$/, 'there is no cluster to configure: see SHARDS'],
  [/^(LOG_LEVEL|LOG_FMT)$/, 'logs are configured by [observability] of wrangler.toml'],
  [/^OTEL_EXPORTER_OTLP_(METRICS|LOGS)_/, 'only traces are exported: Prometheus scrapes metrics'],
  [/^OTEL_TRACES_SAMPLER$/, 'the sampler is parentbased_traceidratio: set OTEL_TRACES_SAMPLER_ARG'],
  [/^(JAEGER|ZIPKIN)_/, 'set OTEL_EXPORTER_OTLP_ENDPOINT: traces are exported by OTLP'],
  [/^PROMETHEUS_METRICS_ENABLED$/, 'metrics are served when INTERNAL_TOKEN is set'],
  [/^(KAFKA_USER_FIELD|MESSAGE_USER_FIELD)$/, 'set RECIPIENTS instead'],
]

/**
 * Only names that resemble one of Rigel's are checked; other variables belong to other software. Shorter names match
 * too much.
 */
const MIN_NAME_CHARS = 5

/**
 * Returns a line for each variable of `env` that is set without effect. `known`: the names of all variables and
 * bindings.
 */
export function configWarnings(env: object, known: readonly string[]): readonly string[] {
  const names = Object.entries(env)
    .filter(([name, value]) => typeof value === 'string' && value !== '' && !known.includes(name))
    .map(([name]) => name)
  return [...names.flatMap((name) => warningOf(name, known) ?? []), ...weakSecrets(env)]
}

/**
 * RFC 7518, section 3.2: a key of HS256 must have 256 bits or more. Only a warning, because RIG's deployments have
 * shorter keys.
 */
const MIN_SECRET_BYTES = 32

function weakSecrets(env: object): readonly string[] {
  const variables = env as Readonly<Record<string, unknown>>
  const { JWT_SECRET_KEY: key, JWT_ALG: algorithm } = variables
  const isPublicKey = typeof algorithm === 'string' && algorithm !== '' && !algorithm.startsWith('HS')
  if (typeof key !== 'string' || key === '' || isPublicKey) return []
  const bytes = new TextEncoder().encode(key).length
  if (bytes >= MIN_SECRET_BYTES || variables['DEV_MODE'] === 'true') return []
  return [
    `JWT_SECRET_KEY: has ${bytes} bytes; with fewer than ${MIN_SECRET_BYTES} it can be guessed from one token, and then anybody signs tokens`,
  ]
}

function warningOf(name: string, known: readonly string[]): string | undefined {
  const meaningless = WITHOUT_MEANING.find(([pattern]) => pattern.test(name))
  if (meaningless !== undefined) return `${name}: is set, and has no effect: ${meaningless[1]}`
  const near = nearest(name, known)
  return near === undefined
    ? undefined
    : `${name}: is not a variable of Rigel, and has no effect: did you mean ${near}?`
}

/** Returns the known name that is meant by a misspelt one, or undefined. */
function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length < MIN_NAME_CHARS) return undefined
  const upper = name.toUpperCase().replaceAll('-', '_')
  const scored = known
    .filter((candidate) => candidate.length >= MIN_NAME_CHARS)
    .map((candidate) => ({ candidate, distance: distanceOf(upper, candidate) }))
    .toSorted((a, b) => a.distance - b.distance)
  const [best] = scored
  return best !== undefined && best.distance <= allowedDistance(best.candidate) ? best.candidate : undefined
}

/** Two mistakes in a name of average length; a left-out last word (JWT_SECRET for JWT_SECRET_KEY) is always one. */
function allowedDistance(name: string): number {
  return Math.max(1, Math.floor(name.length / 6))
}

/** Levenshtein's distance, but a word that is left out at the end (`_KEY`) or added there counts as one. */
function distanceOf(text: string, name: string): number {
  if (name.startsWith(`${text}_`) && !name.slice(text.length + 1).includes('_')) return 1
  if (text.startsWith(`${name}_`) && !text.slice(name.length + 1).includes('_')) return 1
  return levenshtein(text, name)
}

function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
