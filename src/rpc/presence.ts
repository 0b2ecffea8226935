// Contract of PresenceTopic: the presences of a Phoenix topic, in the shape of the Phoenix library's Presence, and its stub.
import { objectStub } from './object-stub.ts'

/** The public metadata of one connection, made by `toCloneable`. `phx_ref` identifies it in diffs. */
export type PresenceMeta = Readonly<Record<string, unknown>> & { readonly phx_ref: string }

/** Name → the metadata of its connections. */
export type Presences = Readonly<Record<string, { readonly metas: readonly PresenceMeta[] }>>

/** A change of a topic's presences: the payload of Phoenix' `presence_diff`. */
export interface PresenceDiff {
  readonly joins: Presences
  readonly leaves: Presences
}

/** One connection that is present, under its name. */
export interface PresenceEntry {
  readonly name: string
  readonly meta: PresenceMeta
}

/** A connection that enters a topic, and its shard. */
export interface PresenceEnter {
  readonly shard: number
  readonly connectionId: string
  readonly name: string
  readonly meta: Readonly<Record<string, unknown>>
}

/** Returns the entries grouped by name, in the shape of Phoenix' `presence_state`. */
export function toPresences(entries: readonly PresenceEntry[]): Presences {
  const names = Map.groupBy(entries, ({ name }) => name)
  return Object.fromEntries([...names].map(([name, group]) => [name, { metas: group.map(({ meta }) => meta) }]))
}

/** Returns the stub of the PresenceTopic object of a Phoenix topic. */
export function presenceStub(env: Env, topic: string) {
  return objectStub(env, env.PRESENCE_TOPIC, topic)
}
