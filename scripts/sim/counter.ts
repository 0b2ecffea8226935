// A page of the simulated deployment that counts: it loads its state from a service that follows the log at its own pace, joins
// the stream at the offsets of that state, and adds what comes. Counting is not idempotent: an event that is lost, or comes
// although the state has it, makes it wrong for good. Now and then it asks when its stream has passed what was published.
import { parseConnectionToken, type ConnectionAddress } from '../../src/core/identity/connection-token.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { embeddedLogStub } from '../../src/rpc/embedded-kafka.ts'
import { WorkerShardMap } from '../../src/http/worker-shard-map.ts'
import { shardStub } from '../../src/rpc/shard.ts'
import type { Random } from '../random.ts'
import { openSession, openStream } from './connect.ts'
import { grantOf, mayRead, USERS, type PublishedEvent, type Simulation } from './simulation.ts'
import { parseStream, type ReceivedEvent } from './stream-frames.ts'

const MAX_LAG = 4
const READ_BYTES = 1_000_000
/** Share of chunks of a stream that are lost on their way. */
const LOST_CHUNKS = 0.05
const ASKS_OFTEN = 0.3

interface State {
  readonly asOf: string
  /** Ids of the events that the service has applied. */
  readonly applied: ReadonlySet<string>
}

export class Counter {
  readonly name: string
  readonly #simulation: Simulation
  readonly #partitions: number
  readonly #random: Random
  readonly #user: string
  readonly #isReader: boolean
  readonly #types: readonly string[]
  readonly #shardMap: WorkerShardMap
  #state: State | null = null
  #got = new Set<string>()
  #position: string | null = null
  /** What it must have when it is told that its stream has passed offsets, by `ref`. */
  #asked = new Map<string, readonly string[]>()

  constructor(simulation: Simulation, name: string, partitions: number, random: Random) {
    this.#simulation = simulation
    this.name = name
    this.#partitions = partitions
    this.#random = random
    this.#user = random.pick(USERS)
    this.#isReader = random.chance(0.5)
    this.#shardMap = new WorkerShardMap(simulation.env, simulation.config.shards)
    this.#types = random.pick([['a.x'], ['a.x', 'b'], ['a.*'], ['*'], []])
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
    return wanted.filter((id) => !this.#has(id))
  }

  #has(id: string): boolean {
    return this.#got.has(id) || this.#state?.applied.has(id) === true
  }

  /** What the service has applied by now: everything, or less. */
  async #load(): Promise<State> {
    const applied = new Set<string>()
    const places: string[] = []
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const values = await this.#valuesOf(partition)
      const lag = this.#random.chance(0.5) ? 0 : this.#random.below(MAX_LAG)
      const known = values.slice(0, Math.max(0, values.length - lag))
      for (const value of known) if (value !== '') applied.add((JSON.parse(value) as { id: string }).id)
      places.push(`${this.#simulation.topic}/${partition}@${known.length - 1}`)
    }
    return { asOf: places.join(','), applied }
  }

  async #valuesOf(partition: number): Promise<readonly string[]> {
    const { env, remote, topic } = this.#simulation
    if (remote !== null) return remote.valuesOf(partition)
    const read = await embeddedLogStub(env, { topic, partition }).read(0, { maxWaitMs: 0, maxBytes: READ_BYTES })
    const records = read.kind === 'records' ? read.records : []
    return records.map(({ value }) => new TextDecoder().decode(value ?? undefined))
  }

  async #session(): Promise<void> {
    if (this.#state === null) {
      this.#state = await this.#load()
      this.#got = new Set()
      this.#position = null
    }
    this.#asked = new Map()
    const connect: ConnectRequest = {
      transport: this.#random.pick(['longpolling', 'longpolling', 'sse', 'ndjson']),
      principal: { user: this.#user, session: null, expSeconds: null },
      subscriptions: this.#types.map((eventType) => ({ eventType, oneOf: [] })),
      lastEventId: this.#position,
      asOf: this.#state.asOf,
      protocol: null,
      allowOrigin: '',
      grant: grantOf(this.#simulation, this.#isReader),
    }
    const isInOrder = await (connect.transport === 'longpolling' ? this.#poll(connect) : this.#stream(connect))
    if (!isInOrder) this.#state = null
  }

  /** Resolves to false if the state has to be loaded again. */
  async #poll(connect: ConnectRequest): Promise<boolean> {
    const { env } = this.#simulation
    const address = await openSession(this.#simulation, this.#shardMap, connect)
    if (address === undefined) return true
    let from: string | null = null
    for (let polls = 1 + this.#random.below(20); polls > 0 || this.#simulation.isEnding; polls -= 1) {
      const polled = await shardStub(env, address.shard).poll(address.connectionId, from)
      if (!polled.ok) return true
      if (!polled.value.recovered) return false
      const events = polled.value.events.map((json) => JSON.parse(json) as ReceivedEvent)
      // What came before it is told of a gap does not count: an event may be committed before the session is greeted.
      if (events.some(isGap)) return false
      events.forEach((event) => this.#take(event))
      from = polled.value.lastEventId
      this.#position = from
      if (this.#simulation.isEnding && this.hasAll()) return true
      this.#askPassed(address)
    }
    return true
  }

  async #stream(connect: ConnectRequest): Promise<boolean> {
    const { clock } = this.#simulation
    const reader = await openStream(this.#simulation, this.#shardMap, connect)
    if (reader === undefined) return true
    let isLeaving = false
    clock.schedule(20 + this.#random.below(2_000), () => (isLeaving = true))
    let isInOrder = true
    let text = ''
    for (const decoder = new TextDecoder(); isInOrder;) {
      const { done, value } = await reader.read()
      if (done || this.#random.chance(this.#simulation.isEnding ? 0 : LOST_CHUNKS)) break
      text += decoder.decode(value, { stream: true })
      const end = Math.max(0, text.lastIndexOf(connect.transport === 'sse' ? '\n\n' : '\n'))
      for (const { event, id } of parseStream(connect.transport, text.slice(0, end))) {
        if (event !== undefined && isGap(event)) isInOrder = false
        else if (event !== undefined) this.#take(event)
        if (isInOrder) this.#position = id ?? this.#position
        const address = parseConnectionToken(event?.data?.connection_token ?? '')
        if (address !== undefined) this.#askPassed(address)
      }
      text = text.slice(end)
      if (this.#simulation.isEnding ? this.hasAll() : isLeaving) break
    }
    await reader.cancel()
    return isInOrder
  }

  /** Asks to be told when the stream has passed some of what is confirmed. The answer comes with the events. */
  #askPassed({ connectionId, shard }: ConnectionAddress): void {
    const { confirmed, env, published } = this.#simulation
    if (!this.#random.chance(ASKS_OFTEN)) return
    const upTo = new Map<string, number>()
    for (const { offset, partition } of confirmed.values())
      if (this.#random.chance(0.7)) upTo.set(partition, Math.max(offset, upTo.get(partition) ?? 0))
    if (upTo.size === 0) return
    const ref = `${this.#asked.size}`
    const isBefore = ({ id }: PublishedEvent) => {
      const place = confirmed.get(id)
      return place !== undefined && place.offset <= (upTo.get(place.partition) ?? -1)
    }
    this.#asked.set(
      ref,
      published.filter((event) => isBefore(event) && this.#mayGet(event)).map(({ id }) => id),
    )
    const offsets = [...upTo].map(([partition, offset]) => `${partition}@${offset}`).join(',')
    void shardStub(env, shard).tellPassed(connectionId, offsets, ref).catch(() => undefined) // prettier-ignore
  }

  #take({ data, id, type }: ReceivedEvent): void {
    if (type === 'rig.passed') this.#passed(data?.ref ?? '')
    if (!type.startsWith('rig.')) this.#receive(id)
  }

  #passed(ref: string): void {
    for (const id of this.#asked.get(ref) ?? [])
      if (!this.#has(id)) this.#violated(`was told that its stream has passed ${id}, which it has not got`)
  }

  #receive(id: string): void {
    const event = this.#simulation.published.find((one) => one.id === id)
    if (event === undefined || !this.#mayGet(event)) return this.#violated(`got ${id}, which is not for it`)
    if (this.#state?.applied.has(id) === true) this.#violated(`got ${id}, which its state has: ${this.#state.asOf}`)
    if (this.#got.has(id)) this.#violated(`got ${id} twice`)
    this.#got.add(id)
  }

  #mayGet(event: PublishedEvent): boolean {
    return mayRead(this.#simulation, event, this.#user, this.#types, this.#isReader)
  }

  #violated(what: string): void {
    this.#simulation.violations.push(`${this.name} (${this.#user}, ${this.#types.join(' ')}) ${what}`)
  }
}

/** Whether the state has to be loaded again. */
function isGap({ data, type }: ReceivedEvent): boolean {
  return type === 'rig.connection.create' && data?.recovered !== true
}
