// What a REST adapter has from outside: the network, time, names, the log. open-log.ts hands them in.
import type { Dialect } from '../../config/kafka-rest.ts'

export interface RestDeps {
  readonly fetch: typeof fetch
  nowMs(): number
  /** In [0, 1). */
  random(): number
  pause(ms: number): Promise<void>
  /** A name that nobody else has. */
  newId(): string
  warn(message: string, details: Record<string, unknown>): void
  readonly memory: RestMemory
}

/**
 * What requests of one isolate need not ask again, by the proxy's URL: values, no promises. A count of partitions grows,
 * so it is believed for some minutes only, as Kafka's own clients do.
 */
export interface RestMemory {
  readonly dialects: Map<string, Dialect>
  /** `url topic` → how many, until when. */
  readonly partitions: Map<string, { readonly count: number; readonly untilMs: number }>
}

/** As by Kafka's own clients. */
export const PARTITIONS_MS = 300_000

export function createRestMemory(): RestMemory {
  return { dialects: new Map(), partitions: new Map() }
}
