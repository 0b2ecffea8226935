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

/** A variable of that name is text. */
function isBinding(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
