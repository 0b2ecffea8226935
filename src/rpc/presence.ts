// Who is present in a topic, as the Phoenix library's Presence reads it. Pure words: the table is presence-topic.ts's.

/** What is shown of one connection. `phx_ref` names it in diffs. */
type Meta = Readonly<Record<string, unknown>> & { readonly phx_ref: string }

/** Name → its connections. */
export type Presences = Readonly<Record<string, { readonly metas: readonly Meta[] }>>

export interface PresenceDiff {
  readonly joins: Presences
  readonly leaves: Presences
}

export interface PresenceEntry {
  readonly name: string
  readonly meta: Meta
}

/** Who enters, from where. */
export interface PresenceEnter {
  readonly shard: number
  readonly connectionId: string
  readonly name: string
  readonly meta: Readonly<Record<string, unknown>>
}

export function toPresences(entries: readonly PresenceEntry[]): Presences {
  const names = Map.groupBy(entries, ({ name }) => name)
  return Object.fromEntries([...names].map(([name, of]) => [name, { metas: of.map(({ meta }) => meta) }]))
}

export function presenceStub(env: Env, topic: string) {
  return env.PRESENCE_TOPIC.getByName(topic)
}
