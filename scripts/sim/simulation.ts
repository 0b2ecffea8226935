// What the producers and clients of one simulated run share: its clock, deployment, published events and violations.
import type { Config } from '../../src/config/parse-config.ts'
import type { Clock } from './clock.ts'
import type { RemoteKafka } from './remote-kafka.ts'

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
  /** Promises that were broken, as sentences. */
  readonly violations: string[]
  isEnding: boolean
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
}
