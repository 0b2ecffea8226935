// The limit on the bytes that wait for all readers of a shard together: MAX_WAITING_BYTES_PER_SHARD. When the sum may be too
// large, it is measured a second later, when prompt readers have taken what was just written, and connections with the
// largest buffers are closed first.
import type { ConnectionLifecycle } from './connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from './connections/connection-registry.ts'
import type { ShardContext } from './shard-context.ts'

/** A reader that reads has emptied its buffer by then. */
const MEASURE_AFTER_MS = 1_000

export class BufferBudget {
  readonly #limitBytes: number
  readonly #connections: ConnectionRegistry
  readonly #lifecycle: ConnectionLifecycle
  /** Upper bound of the waiting bytes: the last measured sum plus everything written since. */
  #waitsAtMost = 0
  #isScheduled = false

  constructor(context: ShardContext, connections: ConnectionRegistry, lifecycle: ConnectionLifecycle) {
    this.#limitBytes = context.config.connections.waitingBytesPerShard
    this.#connections = connections
    this.#lifecycle = lifecycle
  }

  /** To be called with each write to a reader. */
  wrote(bytes: number): void {
    this.#waitsAtMost += bytes
    if (this.#waitsAtMost <= this.#limitBytes || this.#isScheduled) return
    this.#isScheduled = true
    setTimeout(() => this.#measure(), MEASURE_AFTER_MS)
  }

  #measure(): void {
    this.#isScheduled = false
    const waiting = [...this.#connections.all()]
      .map((connection) => ({ connection, bytes: connection.bufferedBytes }))
      .filter(({ bytes }) => bytes > 0)
    this.#waitsAtMost = waiting.reduce((sum, { bytes }) => sum + bytes, 0)
    if (this.#waitsAtMost <= this.#limitBytes) return
    for (const { connection, bytes } of waiting.toSorted((a, b) => b.bytes - a.bytes)) {
      if (this.#waitsAtMost <= this.#limitBytes / 2) return
      this.#lifecycle.end(connection, { kind: 'slow_reader', limitBytes: this.#limitBytes })
      this.#waitsAtMost -= bytes
    }
  }
}
