// RIG's variables without a counterpart in Rigel, and what replaces them, if anything. All variables of RIG 3.0.0 are
// here or in translate.ts: a test compares both with the list in docs/migrating-from-rig.md. Pure.

const PORTS = 'the platform listens: 443 on Cloudflare, PORT when self-hosted; the internal API is under /_rig/api'
const TLS = 'on Cloudflare the edge has the certificates; self-hosted, a reverse proxy in front has them'
const CLUSTER = 'there is no cluster to form: users are spread over SHARDS'
const KAFKA_TLS =
  'certificates of public authorities are accepted, and there are no client certificates: use KAFKA_SSL_ENABLED with KAFKA_SASL'
const GROUP =
  'followers keep their own positions. To see the lag, set KAFKA_GROUP_ID to another name: RIG reads its own group back'
const KINESIS = 'Rigel reads Kinesis and stores its positions without a Java process or a DynamoDB table'
const LOGS = 'logs are configured by [observability] of wrangler.toml; self-hosted logs are JSON lines'
const TRACES = 'set OTEL_EXPORTER_OTLP_ENDPOINT: traces are exported by OTLP/HTTP, which Jaeger takes at port 4318'
const REMOVED = 'removed in RIG 3'

/** By name or beginning of a name (`KINESIS_*`). */
const REASONS: Readonly<Record<string, string>> = {
  INBOUND_PORT: PORTS,
  INBOUND_HTTPS_PORT: PORTS,
  API_HTTP_PORT: PORTS,
  API_HTTPS_PORT: PORTS,
  API_PORT: PORTS,
  PORT: PORTS,
  HTTPS_CERTFILE: TLS,
  HTTPS_KEYFILE: TLS,
  HTTPS_KEYFILE_PASS: TLS,
  HOST: 'it was for the header Forwarded; self-hosted, HOST means the address that Rigel listens on',
  DISCOVERY_TYPE: CLUSTER,
  DNS_NAME: CLUSTER,
  NODE_HOST: CLUSTER,
  NODE_COOKIE: CLUSTER,
  ERL_MAX_PORTS: CLUSTER,
  KAFKA_SSL_CA_CERTFILE: KAFKA_TLS,
  KAFKA_SSL_CERTFILE: KAFKA_TLS,
  KAFKA_SSL_KEYFILE: KAFKA_TLS,
  KAFKA_SSL_KEYFILE_PASS: KAFKA_TLS,
  KAFKATOFILTER_KAFKA_GROUP_ID: GROUP,
  // The group of RIG 1 and of 2.0's betas. Rigel's variable of this name commits positions, and RIG would read them back.
  KAFKA_GROUP_ID: GROUP,
  KAFKA_CONSUMER_GROUP: GROUP,
  KAFKA_ENABLED: 'Kafka is used when KAFKA_BROKERS is set',
  PROXY_KAFKA_RESPONSE_KAFKA_GROUP_ID: 'followers keep their own positions',
  KAFKA_RESTART_DELAY_MS: 'RIG never read it; Rigel retries with growing pauses',
  KINESIS_APP_NAME: KINESIS,
  KINESIS_DYNAMODB_ENDPOINT: KINESIS,
  KINESIS_CLIENT_JAR: KINESIS,
  KINESIS_OTP_JAR: KINESIS,
  KINESIS_LOG_LEVEL: KINESIS,
  PROXY_KINESIS_RESPONSE_TIMEOUT: 'no response is waited for in Kinesis',
  PROXY_KINESIS_REQUEST_STREAM: `${REMOVED}: the endpoint names its topic`,
  LOG_LEVEL: LOGS,
  LOG_FMT: LOGS,
  'JAEGER_*': TRACES,
  'ZIPKIN_*': TRACES,
  PROMETHEUS_METRICS_ENABLED: 'metrics are at /_rig/api/metrics when INTERNAL_TOKEN is set',
  PROMETHEUS_ENABLED: 'RIG never read it; metrics are at /_rig/api/metrics when INTERNAL_TOKEN is set',
  'FIREHOSE_*': `${REMOVED}: let a consumer group read the topic`,
  KAFKATOHTTP_KAFKA_GROUP_ID: REMOVED,
  'RATE_LIMIT_*': `${REMOVED}: routes have rate_limit`,
  PROXY_KAFKA_REQUEST_TOPIC: `${REMOVED}: the endpoint names its topic`,
  PROXY_KAFKA_REQUEST_AVRO: `${REMOVED}: the endpoint names its schema`,
  JWT_BLACKLIST_DEFAULT_EXPIRY_HOURS: `${REMOVED}: validityInSeconds is always given`,
  SESSION_ROLE: `${REMOVED}: GET /_rig/api/v3/users lists who is connected`,
}

/** Returns what to say about a variable of RIG without a counterpart, or undefined. */
export function reasonWithout(name: string): string | undefined {
  const group = Object.keys(REASONS).find((known) => known.endsWith('*') && name.startsWith(known.slice(0, -1)))
  return REASONS[name] ?? (group === undefined ? undefined : REASONS[group])
}
