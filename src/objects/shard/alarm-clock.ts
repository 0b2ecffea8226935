// The one alarm of a shard, set for the earliest time that a part asked for. Without a request the object sleeps.
import { LATEST_MS } from '../../core/time/times.ts'

export interface AlarmStorage {
  getAlarm(): Promise<number | null>
  setAlarm(atMs: number): Promise<void>
}

export class AlarmClock {
  readonly #storage: AlarmStorage
  /** The time that the alarm is set for, Infinity if it is not set. Right once `load` has resolved. */
  #atMs = Infinity

  constructor(storage: AlarmStorage) {
    this.#storage = storage
  }

  /** Must resolve before anything else: an alarm that was set in an earlier life must not be moved to later. */
  async load(): Promise<void> {
    this.#atMs = (await this.#storage.getAlarm()) ?? Infinity
  }

  /** To be called when the alarm has gone off: it is no longer set. */
  fired(): void {
    this.#atMs = Infinity
  }

  /** Returns what resolves when the alarm is set, or undefined if it is set to an earlier time already. */
  wakeBy(atMs: number): Promise<void> | undefined {
    if (atMs >= Math.min(this.#atMs, LATEST_MS)) return undefined
    this.#atMs = atMs
    return this.#storage.setAlarm(atMs)
  }
}
