// The storage of one simulated Durable Object: real SQL (node:sqlite) that forgets, when the object crashes, what was not
// synced. Everything since the last sync is one open transaction: a sync commits it, a crash rolls it back, or commits it,
// for a disk may have stored more than it confirmed.
import { createTestStorage, type TestStorage } from '../../test/support/sql-storage.ts'
import type { Random } from '../random.ts'
import type { Clock } from './clock.ts'

/** A sync takes so long, in milliseconds. */
const MAX_SYNC_MS = 8

export class SimStorage {
  readonly #storage: TestStorage = createTestStorage()
  readonly #clock: Clock
  readonly #random: Random
  #alarmMs: number | null = null
  /** Statements at the last commit. */
  #committed = 0
  #crashes = 0

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
    this.#begin()
  }

  get alarmMs(): number | null {
    return this.#alarmMs
  }

  clearAlarm(): void {
    this.#alarmMs = null
  }

  get isDirty(): boolean {
    return this.#storage.statements() > this.#committed
  }

  /** Resolves when everything written before the call is durable. Never resolves if the object crashes before. */
  async sync(): Promise<void> {
    const crashes = this.#crashes
    if (!this.isDirty) return
    await this.#clock.wait(this.#random.below(MAX_SYNC_MS))
    if (crashes !== this.#crashes) return new Promise(() => undefined)
    this.#commit()
  }

  crash(): void {
    this.#crashes += 1
    this.#storage.sql.exec(this.#random.chance(0.3) ? 'COMMIT' : 'ROLLBACK')
    this.#begin()
  }

  /** Returns the storage as an object sees it until it crashes; after that it can do nothing. */
  open(): DurableObjectStorage {
    const crashes = this.#crashes
    const alive = () => {
      if (crashes !== this.#crashes) throw new CrashedObject()
    }
    const storage = {
      sql: {
        exec: (...statement: Parameters<SqlStorage['exec']>) => {
          alive()
          return this.#storage.sql.exec(...statement)
        },
      },
      transactionSync: <T>(work: () => T): T => {
        alive()
        return this.#storage.transactionSync(work)
      },
      sync: () => (crashes === this.#crashes ? this.sync() : new Promise<void>(() => undefined)),
      getAlarm: async () => this.#alarmMs,
      setAlarm: async (atMs: number) => {
        alive()
        this.#alarmMs = atMs
      },
      deleteAlarm: async () => {
        alive()
        this.#alarmMs = null
      },
    }
    return storage as unknown as DurableObjectStorage
  }

  #commit(): void {
    this.#storage.sql.exec('COMMIT')
    this.#begin()
  }

  #begin(): void {
    this.#storage.sql.exec('BEGIN')
    this.#committed = this.#storage.statements()
  }
}

/** What code of an object meets that crashed while the code waited. */
export class CrashedObject extends Error {
  constructor() {
    super('the object has crashed')
  }
}
