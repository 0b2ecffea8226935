// Bindings that Rigel cannot work without. An environment of wrangler ([env.staging]) inherits none of the top level:
// a deployment without them starts, and every call of a Durable Object fails. Used by parse-config.

/** The bindings of wrangler.toml, each a namespace of Durable Objects. */
export const DURABLE_OBJECTS = [
  'USER_SHARD',
  'TOPIC_FOLLOWER',
  'DIRECTORY',
  'EMBEDDED_LOG',
  'EMBEDDED_BROKER',
  'KAFKA_PRODUCER',
  'NATS_CLIENT',
  'PRESENCE_TOPIC',
  'SESSION_REGISTRY',
  'PENDING_RESPONSES',
  'METRICS_STORE',
] as const

/** Returns a problem for each binding of a Durable Object that `env` does not have. */
export function missingBindings(env: object): readonly string[] {
  const bindings = env as Readonly<Record<string, unknown>>
  return DURABLE_OBJECTS.filter((name) => !isBinding(bindings[name])).map(
    (name) =>
      `${name}: must be a Durable Object binding, and there is none; an environment of wrangler inherits no bindings, repeat [[env.NAME.durable_objects.bindings]]`,
  )
}

/** Returns a problem if the runtime has no jurisdictions: only Cloudflare has. Without it every call of an object would fail. */
export function jurisdictionProblems(env: object, jurisdiction: string | null): readonly string[] {
  const { DIRECTORY: namespace } = env as { readonly DIRECTORY: { jurisdiction(name: string): unknown } }
  try {
    if (jurisdiction !== null) namespace.jurisdiction(jurisdiction)
    return []
  } catch (error) {
    return [`JURISDICTION: must not be set where Rigel is not on Cloudflare: ${String(error)}`]
  }
}

/** A variable of that name is text. */
function isBinding(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
