// The heartbeat of a shard's SSE streams: keeps proxies from closing them, keeps their positions fresh, and finds the
// dead, for a lost client is noticed only by a write. Runs only while there is a stream: those keep the object awake
// anyway, and an object without one must be able to sleep.
import { encodeHeartbeat } from './sse-frames.ts'
import type { SseConnection } from './sse.ts'

export class Heartbeat {
  readonly #periodMs: number
  readonly #currentId: () => string
  readonly #streams = new Set<SseConnection>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(periodMs: number, currentId: () => string) {
    this.#periodMs = periodMs
    this.#currentId = currentId
  }

  add(stream: SseConnection): void {
    this.#streams.add(stream)
    this.#timer ??= setInterval(() => this.#beat(), this.#periodMs)
  }

  delete(stream: SseConnection): void {
    this.#streams.delete(stream)
    if (this.#streams.size > 0) return
    clearInterval(this.#timer ?? null)
    this.#timer = undefined
  }

  #beat(): void {
    const live = encodeHeartbeat(this.#currentId())
    for (const stream of this.#streams) stream.heartbeat({ live })
  }
}
