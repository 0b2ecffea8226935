// What was published, and what each client had to get, might get and got: soak.ts counts with it.

export interface PublishedEvent {
  readonly id: string
  readonly type: string
  readonly to: string | null
  readonly producer: number
  readonly number: number
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
export class Account {
  readonly name: string
  readonly user: string
  readonly types: readonly string[]
  readonly violations: Record<Violation, string[]> = {
    lost: [],
    twice: [],
    'out of order': [],
    leaked: [],
    unknown: [],
  }
  readonly #ledger: Ledger
  readonly #seen = new Set<string>()
  /** Producer → number of its newest event. */
  readonly #newest = new Map<number, number>()
  /** Events that were begun before this many were, may be missing: the client was not there, or was told of a gap. */
  #from = Infinity

  constructor(ledger: Ledger, name: string, user: string, types: readonly string[]) {
    this.#ledger = ledger
    this.name = name
    this.user = user
    this.types = types
  }

  get count(): number {
    return this.#seen.size
  }

  /** A connection is effective. `recovered`: what it was told of its position; null: it gave none. */
  connected(recovered: boolean | null): void {
    if (recovered !== true) this.#from = this.#ledger.events.length
  }

  got(id: string): void {
    const event = this.#ledger.find(id)
    if (event === undefined) return this.#add('unknown', id)
    if (!this.#mayGet(event)) return this.#add('leaked', `${id} (${event.type}, to ${event.to})`)
    if (this.#seen.has(id)) return this.#add('twice', id)
    this.#seen.add(id)
    if ((this.#newest.get(event.producer) ?? -1) > event.number) this.#add('out of order', id)
    this.#newest.set(event.producer, Math.max(event.number, this.#newest.get(event.producer) ?? -1))
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
