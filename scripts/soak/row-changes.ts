// Producers of the soak that change rows of a table, and the check after each fault: rows then stand still until every client's table
// is what the rows say.
import { sleep } from '../../test/e2e/rigel.ts'
import type { Random } from '../random.ts'
import { Rows, TENANTS, type RowVersion } from '../sim/rows.ts'
import type { TableAccount } from './table-account.ts'

const TYPE = 'row'
/** Time between two requests of a producer. */
const STEP_MS = 100
/** How long tables have, once a fault is over, besides the time for each key: a client may have to be sent the whole table. */
const CONVERGE_MS = 60_000
const CONVERGE_MS_PER_KEY = 1
/** Events in one request. */
const MAX_BATCH = 500

export interface RowChangesOptions {
  readonly keys: number
  /** Changes per second, of all producers. */
  readonly updates: number
  readonly users: readonly string[]
  /** Stores a batch of events. Returns whether it has. */
  publish(batch: string): Promise<boolean>
}

export class RowChanges {
  readonly rows = new Rows()
  readonly #options: RowChangesOptions
  /** Requests under way. */
  #writing = 0
  #isStill = false
  #faults = 0
  #check: Promise<void> | null = null
  readonly #checks: { readonly ms: number; readonly wrong: readonly string[] }[] = []

  constructor(options: RowChangesOptions) {
    this.#options = options
  }

  /** Changes some of the keys, until `isOver`: all once, and then at random. */
  async run(producer: number, producers: number, random: Random, isOver: () => boolean): Promise<void> {
    const { keys, updates } = this.#options
    const own = Array.from({ length: keys }, (_, n) => n).filter((n) => n % producers === producer)
    for (let at = 0; at < own.length && !isOver(); at += MAX_BATCH)
      await this.#write(own.slice(at, at + MAX_BATCH), random)
    const perStep = (updates / producers) * (STEP_MS / 1_000)
    while (!isOver()) {
      const dueMs = Date.now() + STEP_MS
      const count = Math.min(MAX_BATCH, Math.floor(perStep * 2 * random.next()))
      const changed = Array.from({ length: count }, () => random.pick(own))
      if (!this.#isStill && count > 0) await this.#write(changed, random)
      await sleep(Math.max(0, dueMs - Date.now()))
    }
  }

  /** Resolves when a whole table is there. A request is repeated until it is confirmed. */
  async #write(keys: readonly number[], random: Random): Promise<void> {
    const versions = keys.map((n) => this.#change(`key-${n}`, random))
    const batch = JSON.stringify(versions.map(toEvent))
    this.#writing += 1
    while (!(await this.#options.publish(batch))) await sleep(300)
    this.#writing -= 1
  }

  #change(key: string, random: Random): RowVersion {
    const number = this.rows.versionsOf(key).length
    const isGone = random.chance(0.1)
    const to = !isGone && random.chance(0.2) ? random.pick(this.#options.users) : null
    const tenant = isGone ? null : random.pick(TENANTS)
    const version = { key, type: TYPE, id: `${key}-${number}`, number, tenant, to } as const
    this.rows.add(version)
    return version
  }

  /** A fault is over. Rows stand still until all tables have converged; another fault begins the check anew. */
  checkAfterFault(tables: readonly TableAccount[]): void {
    this.#faults += 1
    this.#check ??= this.#converge(tables).finally(() => (this.#check = null))
  }

  async #converge(tables: readonly TableAccount[]): Promise<void> {
    this.#isStill = true
    let faults = -1
    let fromMs = 0
    const isDone = () => this.#writing === 0 && tables.every((table) => table.hasConverged())
    do {
      if (faults !== this.#faults) {
        for (const table of tables) table.begin()
        fromMs = Date.now()
      }
      faults = this.#faults
      await sleep(200)
    } while (!isDone() && (faults !== this.#faults || Date.now() - fromMs < this.#withinMs))
    const wrong = tables.filter((table) => !table.isRight())
    this.#checks.push({ ms: Date.now() - fromMs, wrong: wrong.map(describe) })
    this.#isStill = false
  }

  /** Resolves when the check under way has ended. */
  async checked(): Promise<void> {
    await this.#check
  }

  get #withinMs(): number {
    return CONVERGE_MS + this.#options.keys * CONVERGE_MS_PER_KEY
  }

  get changes(): number {
    return this.rows.count
  }

  /** How long tables took after the faults, in milliseconds, and what was wrong with them. */
  get checks(): readonly { readonly ms: number; readonly wrong: readonly string[] }[] {
    return this.#checks
  }
}

function describe(table: TableAccount): string {
  const wrong = table.wrong()
  return `${table.name}: ${wrong.length} rows did not converge: ${wrong.slice(0, 5).join(', ')}`
}

function toEvent({ id, key, tenant, to, type }: RowVersion): object {
  const data = { tenant, ...(to === null ? {} : { recipients: [to] }) }
  const event = { specversion: '1.0', id, source: '/soak/rows', type, subject: key, partitionkey: key }
  return tenant === null ? event : { ...event, data }
}
