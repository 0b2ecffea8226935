// A client of the simulation connects by long-polling or a stream, leaves, resumes and counts. It knows which events must
// reach it and which must not.
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { callShard } from '../../src/http/connections/call-shard.ts'
import { WorkerShardMap } from '../../src/http/worker-shard-map.ts'
import { shardStub } from '../../src/rpc/shard.ts'
import type { Random } from '../random.ts'
import { openSession, openStream } from './connect.ts'
import { grantOf, mayRead, USERS, type PublishedEvent, type Simulation } from './simulation.ts'
import { parseStream, type ReceivedEvent } from './stream-frames.ts'

/** Share of chunks of a stream that are lost on their way. */
const LOST_CHUNKS = 0.05
const READS_PAGES = 0.2
/** In schedules with groups of shards. */
const BEGINS_ANEW = 0.3

export class Client {
  readonly name: string
  readonly #simulation: Simulation
  readonly #random: Random
  readonly #user: string
  readonly #subscribed: readonly string[]
  readonly #isStream: boolean
  readonly #isReader: boolean
  /** Ids in the order in which they came. */
  readonly #got: string[] = []
  readonly #seen = new Set<string>()
  #position: string | null = null
  /** Events that were begun before this many had been, may be missing: it was not there, or was told of a gap. */
  #from = Infinity
  /** Its own isolate of the Worker: it may know an old shard map. */
  readonly #shardMap: WorkerShardMap
  /** It began at a time: from where the log may not have all of its types, of which it was told. */
  #isByTime = false
  /** When it was connected last. */
  #leftMs = 0

  constructor(simulation: Simulation, name: string, random: Random) {
    this.#simulation = simulation
    this.name = name
    this.#random = random
    this.#user = random.pick(USERS)
    this.#isStream = random.chance(0.5)
    this.#shardMap = new WorkerShardMap(simulation.env, simulation.config.shards, simulation.groups)
    this.#isReader = random.chance(0.5)
    this.#subscribed = random.pick([['a.x'], ['a.*'], ['*'], this.#isReader ? ['b', 'a.y'] : ['b'], []])
  }

  async run(): Promise<void> {
    const { clock } = this.#simulation
    await clock.wait(this.#random.below(300))
    while (!this.#simulation.isEnding || !this.hasAll()) {
      this.#mayBeginAnew()
      await (this.#isStream ? this.#stream() : this.#session()).catch(() => undefined)
      if (this.#random.chance(READS_PAGES)) await this.#readPages().catch(() => undefined)
      await clock.wait(this.#random.below(200))
    }
  }

  /** A page that is loaded again, without a position: its client goes to the group of shards that is for it. */
  #mayBeginAnew(): void {
    const { groups, isEnding } = this.#simulation
    if (groups.length === 0 || isEnding || !this.#random.chance(BEGINS_ANEW)) return
    this.#position = null
    this.#from = Infinity
    this.#isByTime = false
    this.#seen.clear()
    this.#got.length = 0
  }

  /** Whether everything that must reach it has. */
  hasAll(): boolean {
    return this.missing().length === 0
  }

  missing(): readonly string[] {
    return this.#simulation.published
      .filter((event) => this.#mustGet(event) && !this.#seen.has(event.id))
      .map(({ id }) => id)
  }

  /** One session: it polls until something fails, or until the client goes away for a while. */
  async #session(): Promise<void> {
    const { clock, env, published } = this.#simulation
    const begun = published.length
    const wanted = this.#request('longpolling')
    const address = await openSession(this.#simulation, this.#shardMap, wanted)
    if (address === undefined) return
    const stub = shardStub(env, address.shard)
    // From here on events are sure to come: those that are begun now.
    const effective = published.length
    const { connectionId } = address
    const { sinceMs } = wanted
    if (this.#position === null) this.#from = effective
    let isGreeted = this.#position === null
    let position = this.#position
    for (let polls = 1 + this.#random.below(30); polls > 0 || this.#simulation.isEnding; polls -= 1) {
      const polled = await stub.poll(connectionId, isGreeted ? position : null)
      if (!polled.ok) return
      if (!polled.value.recovered && isGreeted) this.#toldOfGap(begun)
      this.#leftMs = clock.nowMs
      for (const json of polled.value.events) this.#receive(JSON.parse(json) as ReceivedEvent, effective, sinceMs)
      isGreeted = true
      position = polled.value.lastEventId
      this.#position = position
      if (this.#simulation.isEnding && this.hasAll()) return
    }
  }

  /** One SSE stream: it reads until something fails, or until the client goes away for a while. */
  async #stream(): Promise<void> {
    const { clock, published } = this.#simulation
    const connect = this.#request(this.#random.pick(['sse', 'ndjson']))
    const reader = await openStream(this.#simulation, this.#shardMap, connect)
    if (reader === undefined) return
    // From here on events are sure to come: those that are begun now.
    const effective = published.length
    if (this.#position === null) this.#from = effective
    let isLeaving = false
    clock.schedule(20 + this.#random.below(2_000), () => (isLeaving = true))
    let text = ''
    for (const decoder = new TextDecoder(); ;) {
      const { done, value } = await reader.read()
      this.#leftMs = clock.nowMs
      // A chunk that is lost on its way ends the connection; Rigel may not notice it for a while.
      if (done || this.#random.chance(this.#simulation.isEnding ? 0 : LOST_CHUNKS)) break
      text += decoder.decode(value, { stream: true })
      const end = text.lastIndexOf(connect.transport === 'sse' ? '\n\n' : '\n')
      for (const { event, id } of parseStream(connect.transport, text.slice(0, Math.max(0, end)))) {
        if (event !== undefined) this.#receive(event, effective, connect.sinceMs)
        this.#position = id ?? this.#position
      }
      text = text.slice(Math.max(0, end))
      if (this.#simulation.isEnding ? this.hasAll() : isLeaving) break
    }
    if (this.#random.chance(0.7)) await reader.cancel()
  }

  /** A client that has no position begins at a time, now and then. */
  #request(transport: ConnectRequest['transport']): ConnectRequest {
    const isByTime = this.#position === null && this.#random.chance(0.3)
    const sinceMs = this.#random.chance(0.5) ? 0 : this.#simulation.clock.nowMs - this.#random.below(2_000)
    return {
      transport,
      principal: { user: this.#user, session: null, expSeconds: null },
      subscriptions: this.#subscribed.map((eventType) => ({ eventType, oneOf: [] })),
      lastEventId: this.#position,
      protocol: null,
      allowOrigin: '*',
      grant: grantOf(this.#simulation, this.#isReader),
      ...(this.#simulation.groups.length === 0 ? {} : { group: this.#random.pick([0, ...this.#simulation.groups]) }),
      ...(isByTime ? { sinceMs } : {}),
    }
  }

  /** Reads all pages of history. They must have what came to it since they are complete, once. */
  async #readPages(): Promise<void> {
    const { env, published } = this.#simulation
    const connect: ConnectRequest = { ...this.#request('longpolling'), sinceMs: 0 }
    const limit = 1 + this.#random.below(5)
    const got = new Set(this.#got)
    const ids: string[] = []
    let completeSinceMs: number | null | undefined
    for (let after: string | null = null, hasMore = true; hasMore;) {
      const from: ConnectRequest = { ...connect, lastEventId: after }
      const read = async (shard: number, stamped: ConnectRequest) => shardStub(env, shard).readHistory(stamped, limit)
      const page = await callShard(this.#shardMap, from, read, (answer) => (answer.ok ? undefined : answer.reason))
      // No longer kept, or not of the shard that its user has moved to.
      if (!page.ok) return
      if (page.value.events.length > limit) this.#violated(`got a page of ${page.value.events.length} events`)
      completeSinceMs ??= page.value.completeSinceMs
      ids.push(...page.value.events.map(({ json }) => (JSON.parse(json) as { id: string }).id))
      after = page.value.lastEventId
      hasMore = page.value.hasMore
    }
    if (new Set(ids).size < ids.length) this.#violated(`read an event twice in pages: ${ids.join(' ')}`)
    for (const event of published) {
      if (ids.includes(event.id) && !this.#mayGet(event)) this.#violated(`read ${event.id}, which is not for it`)
      const isThere = got.has(event.id) && completeSinceMs !== null && event.atMs >= (completeSinceMs ?? Infinity)
      if (isThere && !ids.includes(event.id)) this.#violated(`did not read ${event.id} in pages complete before`)
    }
  }

  #receive({ data, id, type }: ReceivedEvent, effective: number, sinceMs: number | undefined): void {
    if (type === 'rig.connection.create') {
      if (sinceMs !== undefined) this.#beganAt(sinceMs, data?.complete_since ?? null)
      else if (data?.recovered === false) this.#toldOfGap(effective)
      return
    }
    if (type.startsWith('rig.')) return
    const event = this.#simulation.published.find((one) => one.id === id)
    if (event === undefined) return this.#violated(`got ${id}, which nobody published`)
    if (!this.#mayGet(event)) return this.#violated(`got ${id} (${event.type}, to ${event.to}), which is not for it`)
    if (this.#seen.has(id)) return this.#violated(`got ${id} twice`)
    this.#seen.add(id)
    const last = this.#got.findLast((one) => one.startsWith(`${event.producer}-`))
    if (last !== undefined && Number(last.split('-')[1]) > event.number) this.#violated(`got ${id} after ${last}`)
    this.#got.push(id)
  }

  /** Everything that was published since the time must come, as far as the shard says that it is complete. */
  #beganAt(sinceMs: number, completeSince: string | null): void {
    this.#isByTime = true
    if (completeSince === null) return
    const fromMs = Math.max(sinceMs, Date.parse(completeSince))
    const first = this.#simulation.published.findIndex(({ atMs }) => atMs >= fromMs)
    if (first >= 0) this.#from = Math.min(this.#from, first)
  }

  #toldOfGap(from: number): void {
    this.#from = Math.max(this.#from, from)
    const awayMs = this.#simulation.clock.nowMs - this.#leftMs
    if (!this.#isByTime && awayMs < this.#simulation.retentionMs) this.#violated(`was told of a gap after ${awayMs} ms`)
  }

  #mayGet(event: PublishedEvent): boolean {
    return mayRead(this.#simulation, event, this.#user, this.#subscribed, this.#isReader)
  }

  #mustGet(event: PublishedEvent): boolean {
    return event.order >= this.#from && this.#mayGet(event)
  }

  #violated(what: string): void {
    this.#simulation.violations.push(`${this.name} (${this.#user}, ${this.#subscribed.join(' ')}) ${what}`)
  }
}
