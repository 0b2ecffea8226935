// What REST adapters get from outside: network, clock, randomness, ids, log output and a cache. Built by create-kafka-log.ts.
import type { Dialect } from '../../config/kafka-rest.ts'

/** Injected so that tests can replace network and time. */
export interface RestDeps {
  readonly fetch: typeof fetch
  nowMs(): number
  /** In [0, 1). */
  random(): number
  sleep(ms: number): Promise<void>
  /** Returns a unique name. */
  newId(): string
  warn(message: string, details: Record<string, unknown>): void
  readonly cache: RestCache
}

/** What the requests of one isolate share, by the proxy's URL: values, never promises. Partition counts expire. */
export interface RestCache {
  readonly dialects: Map<string, Dialect>
  /** `url topic` → number of partitions, and when it expires (milliseconds since the epoch). */
  readonly partitions: Map<string, { readonly count: number; readonly untilMs: number }>
}

/** Kafka's clients use the same age (`metadata.max.age.ms`). */
export const PARTITION_COUNT_TTL_MS = 300_000

/** Returns a cache for a proxy's dialect and partition counts, one per isolate. */
export function createRestCache(): RestCache {
  return { dialects: new Map(), partitions: new Map() }
}
