// The one alarm of a shard: set for the earliest of all that asked. An object that nobody asked to be woken sleeps.
export interface AlarmStorage {
  getAlarm(): Promise<number | null>
  setAlarm(atMs: number): Promise<void>
}

export class AlarmClock {
  readonly #storage: AlarmStorage
  /** When the alarm is set for; Infinity: it is not. Known once `load` has resolved. */
  #atMs = Infinity

  constructor(storage: AlarmStorage) {
    this.#storage = storage
  }

  /** To be awaited before anything else: an alarm set in an earlier life must not be moved to later. */
  async load(): Promise<void> {
    this.#atMs = (await this.#storage.getAlarm()) ?? Infinity
  }

  /** The alarm has gone off, and is no longer set. */
  rang(): void {
    this.#atMs = Infinity
  }

  async wakeBy(atMs: number): Promise<void> {
    if (atMs >= this.#atMs) return
    this.#atMs = atMs
    await this.#storage.setAlarm(atMs)
  }
}
