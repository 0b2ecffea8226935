// A timer over a set of connections. It runs only while there is a connection: those of a stream keep the object awake
// anyway, and an object without one must be able to sleep. A write is also what shows that a client is gone.
export class Heartbeat<C> {
  readonly #periodMs: number
  readonly #beat: (connections: ReadonlySet<C>) => void
  readonly #connections = new Set<C>()
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(periodMs: number, beat: (connections: ReadonlySet<C>) => void) {
    this.#periodMs = periodMs
    this.#beat = beat
  }

  add(connection: C): void {
    this.#connections.add(connection)
    this.#timer ??= setInterval(() => this.#beat(this.#connections), this.#periodMs)
  }

  delete(connection: C): void {
    this.#connections.delete(connection)
    if (this.#connections.size > 0) return
    clearInterval(this.#timer ?? null)
    this.#timer = undefined
  }
}
