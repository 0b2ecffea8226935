// A page of the simulated deployment that counts: it loads its state from a service that follows the log at its own pace, joins
// the stream at the offsets of that state, and adds what comes. Counting is not idempotent: an event that is lost, or comes
// although the state has it, makes it wrong for good.
import { shardOf } from '../../src/core/delivery/shard-hash.ts'
import { parseConnectionToken } from '../../src/core/identity/connection-token.ts'
import { embeddedLogStub } from '../../src/rpc/embedded-kafka.ts'
import { shardStub } from '../../src/rpc/shard.ts'
import type { Random } from '../random.ts'
import { USERS, type PublishedEvent, type Simulation } from './simulation.ts'

const MAX_LAG = 4
const READ_BYTES = 1_000_000

interface State {
  readonly asOf: string
  /** Ids of the events that the service has applied. */
  readonly applied: ReadonlySet<string>
}

interface Polled {
  readonly id: string
  readonly type: string
  readonly data?: { readonly recovered?: boolean }
}

export class Counter {
  readonly name: string
  readonly #simulation: Simulation
  readonly #partitions: number
  readonly #random: Random
  readonly #user: string
  readonly #types: readonly string[]
  #state: State | null = null
  #got = new Set<string>()
  #position: string | null = null

  constructor(simulation: Simulation, name: string, partitions: number, random: Random) {
    this.#simulation = simulation
    this.name = name
    this.#partitions = partitions
    this.#random = random
    this.#user = random.pick(USERS)
    this.#types = random.pick([['a.x'], ['a.x', 'a.y'], ['a.x', 'a.y', 'b'], []])
  }

  async run(): Promise<void> {
    const { clock } = this.#simulation
    await clock.wait(this.#random.below(300))
    while (!this.#simulation.isEnding || !this.hasAll()) {
      await this.#session().catch(() => undefined)
      await clock.wait(this.#random.below(100))
    }
  }

  hasAll(): boolean {
    return this.missing().length === 0
  }

  missing(): readonly string[] {
    const wanted = this.#simulation.published.filter((event) => this.#mayGet(event)).map(({ id }) => id)
    return wanted.filter((id) => !this.#got.has(id) && this.#state?.applied.has(id) !== true)
  }

  /** What the service has applied by now: everything, or less. */
  async #load(): Promise<State> {
    const { env, topic } = this.#simulation
    const applied = new Set<string>()
    const places: string[] = []
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const read = await embeddedLogStub(env, { topic, partition }).read(0, { maxWaitMs: 0, maxBytes: READ_BYTES })
      const records = read.kind === 'records' ? read.records : []
      const lag = this.#random.chance(0.5) ? 0 : this.#random.below(MAX_LAG)
      const known = records.slice(0, Math.max(0, records.length - lag))
      for (const { value } of known)
        applied.add((JSON.parse(new TextDecoder().decode(value ?? undefined)) as { id: string }).id)
      places.push(`${topic}/${partition}@${known.at(-1)?.offset ?? -1}`)
    }
    return { asOf: places.join(','), applied }
  }

  async #session(): Promise<void> {
    if (this.#state === null) {
      this.#state = await this.#load()
      this.#got = new Set()
      this.#position = null
    }
    const { config, env } = this.#simulation
    const stub = shardStub(env, shardOf(this.#user, config.shards))
    const subscriptions = this.#types.map((eventType) => ({ eventType, oneOf: [] }))
    const principal = { user: this.#user, session: null, expSeconds: null }
    const { asOf } = this.#state
    const opened = await stub.openLongpolling(principal, subscriptions, this.#position, [], false, asOf)
    if (!opened.ok) return
    const connectionId = parseConnectionToken(opened.value.connectionToken)?.connectionId ?? ''
    let from: string | null = null
    for (let polls = 1 + this.#random.below(20); polls > 0 || this.#simulation.isEnding; polls -= 1) {
      const polled = await stub.poll(connectionId, from)
      if (!polled.ok) return
      const events = polled.value.events.map((json) => JSON.parse(json) as Polled)
      const isGap = events.some(({ data, type }) => type === 'rig.connection.create' && data?.recovered !== true)
      if (isGap || !polled.value.recovered) {
        this.#state = null
        return
      }
      for (const { id, type } of events) if (!type.startsWith('rig.')) this.#receive(id)
      from = polled.value.lastEventId
      this.#position = from
      if (this.#simulation.isEnding && this.hasAll()) return
    }
  }

  #receive(id: string): void {
    const event = this.#simulation.published.find((one) => one.id === id)
    if (event === undefined || !this.#mayGet(event)) return this.#violated(`got ${id}, which is not for it`)
    if (this.#state?.applied.has(id) === true) this.#violated(`got ${id}, which its state has: ${this.#state.asOf}`)
    if (this.#got.has(id)) this.#violated(`got ${id} twice`)
    this.#got.add(id)
  }

  #mayGet({ to, type }: PublishedEvent): boolean {
    return to === null ? this.#types.includes(type) : to === this.#user
  }

  #violated(what: string): void {
    this.#simulation.violations.push(`${this.name} (${this.#user}, ${this.#types.join(' ')}) ${what}`)
  }
}
