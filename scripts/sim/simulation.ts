// What the producers and clients of one simulated run share: its clock, deployment, published events and violations.
import type { Config } from '../../src/config/parse-config.ts'
import type { TypeGrant } from '../../src/core/rules/type-grant.ts'
import type { Clock } from './clock.ts'
import type { RemoteKafka } from './remote-kafka.ts'
import { ROW_TYPES, type Rows } from './rows.ts'

/** The types of published events. */
export const TYPES = ['a.x', 'a.y', 'b'] as const
export const USERS = ['alice', 'bob', 'carol'] as const

/** One run: what its producers and clients share. */
export interface Simulation {
  readonly clock: Clock
  readonly config: Config
  readonly env: Env
  readonly topic: string
  /** Null: events are published to the embedded log. */
  readonly remote: RemoteKafka | null
  /** Every event that a producer has begun to publish, in that order. */
  readonly published: PublishedEvent[]
  /** Where the log has the events that were confirmed, by their ids. */
  readonly confirmed: Map<string, { readonly partition: string; readonly offset: number }>
  /** What was done to the rows of the tables: see rows.ts. */
  readonly rows: Rows
  /** Rules per event type: see RULES. */
  readonly isRuled: boolean
  /** Promises that were broken, as sentences. */
  readonly violations: string[]
  isEnding: boolean
  /** The groups of shards that there are by the last deploy, besides the default one. Clients travel between them. */
  groups: readonly number[]
  /** Milliseconds for which shards keep events. A client that returns within this time must not be told of a gap. */
  readonly retentionMs: number
  /** The longest time between two events. */
  readonly maxPauseMs: number
}

export interface PublishedEvent {
  readonly id: string
  readonly type: string
  /** Null if the event is not addressed: then every subscriber of its type gets it. */
  readonly to: string | null
  readonly producer: number
  readonly number: number
  /** How many events had been begun before. */
  readonly order: number
  /** When it was begun, in milliseconds since the epoch. */
  readonly atMs: number
}

/** Events of one type are for readers only, also those that are addressed to a user. */
export const RULES = { 'a.y': { subscribe: { role: 'reader' } } }

/** Clients that have no tables have no tenant. */
const READERS_ONLY: readonly string[] = ['a.y', ...ROW_TYPES]

/** Returns what the token of a client permits. */
export function grantOf({ isRuled }: Simulation, isReader: boolean): TypeGrant | undefined {
  return isRuled ? { hasToken: true, roles: isReader ? ['reader'] : [], scopes: [], claims: {} } : undefined
}

/** Returns whether an event is for a client that subscribes to these types, or patterns. */
export function mayRead(
  { isRuled }: Simulation,
  { to, type }: PublishedEvent,
  user: string,
  subscribed: readonly string[],
  isReader: boolean,
): boolean {
  if (isRuled && !isReader && READERS_ONLY.includes(type)) return false
  if (to !== null) return to === user
  return subscribed.some((one) => one === '*' || one === type || (one === 'a.*' && type.startsWith('a.')))
}
