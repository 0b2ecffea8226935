// What was published, and what each client had to get, might get and got: soak.ts counts with it.
import type { Receiver, SoakEvent } from './receiver.ts'

export interface PublishedEvent {
  readonly id: string
  readonly type: string
  readonly to: string | null
  readonly producer: number
  readonly number: number
  /** The key of its record: a producer's events with one key are in one partition, and in order. */
  readonly key: string
  /** How many events had been begun before this one. */
  readonly order: number
}

export class Ledger {
  readonly events: PublishedEvent[] = []
  readonly #byId = new Map<string, PublishedEvent>()

  begin(event: Omit<PublishedEvent, 'order'>): void {
    const whole = { ...event, order: this.events.length }
    this.events.push(whole)
    this.#byId.set(event.id, whole)
  }

  find(id: string): PublishedEvent | undefined {
    return this.#byId.get(id)
  }
}

export type Violation = 'lost' | 'twice' | 'out of order' | 'leaked' | 'unknown'

/** One client's account over all of its connections. */
export class Account implements Receiver {
  readonly name: string
  readonly user: string
  readonly types: readonly string[]
  readonly hasState = false
  readonly violations: Record<Violation, string[]> = {
    lost: [],
    twice: [],
    'out of order': [],
    leaked: [],
    unknown: [],
  }
  readonly #ledger: Ledger
  readonly #hasChannels: boolean
  readonly #seen = new Set<string>()
  /** Producer, record key and, if they are read apart, channel → number of the newest event. */
  readonly #newest = new Map<string, number>()
  /** Events that were begun before this many were, may be missing: the client was not there, or was told of a gap. */
  #from = Infinity

  /** `hasChannels`: each type, and what is addressed, has a channel that is in order by itself. */
  constructor(ledger: Ledger, name: string, user: string, types: readonly string[], hasChannels: boolean) {
    this.#hasChannels = hasChannels
    this.#ledger = ledger
    this.name = name
    this.user = user
    this.types = types
  }

  get count(): number {
    return this.#seen.size
  }

  take({ data, id, type }: SoakEvent): void {
    if (type === 'rig.connection.create') this.#connected(data?.recovered ?? null)
    else if (!type.startsWith('rig.')) this.#got(id)
  }

  /** A connection is effective. `recovered`: what it was told of its position; null: it gave none. */
  #connected(recovered: boolean | null): void {
    if (recovered !== true) this.#from = this.#ledger.events.length
  }

  #got(id: string): void {
    const event = this.#ledger.find(id)
    if (event === undefined) return this.#add('unknown', id)
    if (!this.#mayGet(event)) return this.#add('leaked', `${id} (${event.type}, to ${event.to})`)
    if (this.#seen.has(id)) return this.#add('twice', id)
    this.#seen.add(id)
    const ordered = `${event.producer} ${event.key}`
    const order = this.#hasChannels ? `${ordered} ${event.to ?? event.type}` : ordered
    const newest = this.#newest.get(order) ?? -1
    if (newest > event.number) this.#add('out of order', `${id} after ${event.producer}-${newest}`)
    this.#newest.set(order, Math.max(event.number, newest))
  }

  /** Events that must have come and have not. */
  missing(): readonly string[] {
    return this.#ledger.events
      .filter((event) => event.order >= this.#from && this.#mayGet(event) && !this.#seen.has(event.id))
      .map(({ id }) => id)
  }

  #mayGet({ to, type }: PublishedEvent): boolean {
    return to === null ? this.types.includes(type) : to === this.user
  }

  #add(kind: Violation, what: string): void {
    this.violations[kind].push(what)
  }
}
