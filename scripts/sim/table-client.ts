// A page of the simulation that shows a table, by the table of the client library. It comes, goes and resumes, changes its filter, and
// renews its token with other rights. It knows which rows it may be told of, and which it must have in the end.
import { parseConnectionToken, type ConnectionAddress } from '../../src/core/identity/connection-token.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import type { Subscription } from '../../src/core/subscriptions/subscription.ts'
import type { RigelError } from '../../src/core/errors.ts'
import type { Result } from '../../src/core/result.ts'
import { WorkerShardMap } from '../../src/http/worker-shard-map.ts'
import { shardStub, type PollAnswer } from '../../src/rpc/shard.ts'
import type { Random } from '../random.ts'
import { tableOfEvents, type TableOfEvents } from '../table-of-events.ts'
import { openSession, openStream } from './connect.ts'
import { GRANTS, passes, ROW_TYPES, sees, TENANTS, type RowType, type RowVersion, type RowView } from './rows.ts'
import { USERS, type Simulation } from './simulation.ts'
import { parseStream, type ReceivedEvent } from './stream-frames.ts'

/** Some begin when rows have been there for long: their table has to be filled. */
const MAX_DELAY_MS = 1_200
/** Long enough that a shard may forget the type, where its log is kept for two seconds. */
const MAX_ABSENCE_MS = 6_000
/** Share of chunks of a stream that are lost on their way. */
const LOST_CHUNKS = 0.05
const CHANGES_VIEW = 0.06
/** A token that lasts longer than any schedule. */
const TOKEN_MS = 10_000_000

type PollResult = Result<PollAnswer, RigelError>

export class TableClient {
  readonly name: string
  readonly #simulation: Simulation
  readonly #random: Random
  readonly #user: string
  readonly #type: RowType
  readonly #shardMap: WorkerShardMap
  readonly #live: TableOfEvents
  #view: RowView
  /** Views that were in force since the connection was opened. */
  #views: RowView[] = []
  #isChanging = false
  /** It is not known which view is in force: the answer was lost. */
  #isUnsure = false
  #position: string | null = null
  /** Rows of the table that is being sent; null: none is. */
  #coming: number | null = null
  /** An event that is no row came meanwhile: then the table must come once more before it is whole. */
  #removedWhileComing: string | null = null
  /**
   * Keys of rows that it could see once and that the newest whole table had not. One may have been removed while the table was read: the
   * removal follows, once.
   */
  #goneWhileRead = new Set<string>()
  /** Key → number of the newest version, since a whole table came on this connection; null: none has. */
  #newest: Map<string, number> | null = null

  constructor(simulation: Simulation, name: string, random: Random) {
    this.#simulation = simulation
    this.name = name
    this.#random = random
    this.#user = random.pick(USERS)
    this.#type = random.pick(ROW_TYPES)
    this.#shardMap = new WorkerShardMap(simulation.env, simulation.config.shards)
    this.#view = this.#newView()
    this.#live = tableOfEvents(this.#type)
  }

  async run(): Promise<void> {
    const { clock } = this.#simulation
    await clock.wait(this.#random.below(this.#random.chance(0.5) ? 100 : MAX_DELAY_MS))
    while (!this.#simulation.isEnding || !this.hasAll()) {
      const connect = this.#request(this.#random.pick(['longpolling', 'longpolling', 'sse', 'ndjson']))
      this.#begin()
      await (connect.transport === 'longpolling' ? this.#poll(connect) : this.#stream(connect)).catch(() => undefined)
      await clock.wait(this.#random.below(this.#random.chance(0.2) ? MAX_ABSENCE_MS : 200))
    }
  }

  hasAll(): boolean {
    return !this.#isChanging && !this.#isUnsure && this.#live.table.state === 'current' && this.missing().length === 0
  }

  /** Keys of rows that it has and must not have, does not have, or has as they were. */
  missing(): readonly string[] {
    const wanted = this.#simulation.rows.tableOf(this.#type, this.#view)
    const { rows } = this.#live.table
    const keys = [...new Set([...wanted.keys(), ...rows.keys()])]
    return keys.filter((key) => wanted.get(key) !== rows.get(key)?.id)
  }

  #newView(): RowView {
    const grant = this.#simulation.isRuled ? this.#random.pick(GRANTS) : undefined
    return { user: this.#user, filter: this.#random.pick([null, null, ...TENANTS]), grant }
  }

  #begin(): void {
    this.#views = [this.#view]
    this.#isUnsure = false
    this.#coming = null
    this.#newest = null
  }

  #subscriptionsOf({ filter }: RowView): readonly Subscription[] {
    return [{ eventType: this.#type, oneOf: filter === null ? [] : [{ tenant: filter }], state: true }]
  }

  #request(transport: ConnectRequest['transport']): ConnectRequest {
    const { grant } = this.#view
    return {
      transport,
      principal: { user: this.#user, session: null, expSeconds: null },
      subscriptions: this.#subscriptionsOf(this.#view),
      lastEventId: this.#position,
      protocol: null,
      allowOrigin: '',
      ...(grant === undefined ? {} : { grant }),
    }
  }

  async #poll(connect: ConnectRequest): Promise<void> {
    const address = await openSession(this.#simulation, this.#shardMap, connect)
    if (address === undefined) return
    let from: string | null = null
    for (let polls = 1 + this.#random.below(30); polls > 0 || this.#simulation.isEnding; polls -= 1) {
      const polled = await this.#pollTwice(address, from)
      if (!polled.ok) return
      for (const json of polled.value.events) this.#take(JSON.parse(json) as ReceivedEvent)
      from = polled.value.lastEventId
      this.#position = from
      if (this.#isUnsure || (this.#simulation.isEnding && this.hasAll())) return
      this.#changeView(address)
    }
  }

  /** An answer that was lost is asked for again, by some. */
  #pollTwice({ connectionId, shard }: ConnectionAddress, from: string | null): Promise<PollResult> {
    const poll = async (): Promise<PollResult> => shardStub(this.#simulation.env, shard).poll(connectionId, from)
    return poll().catch((error: unknown) => {
      if (this.#random.chance(0.3)) throw error
      return poll()
    })
  }

  async #stream(connect: ConnectRequest): Promise<void> {
    const reader = await openStream(this.#simulation, this.#shardMap, connect)
    if (reader === undefined) return
    let isLeaving = false
    this.#simulation.clock.schedule(20 + this.#random.below(2_000), () => (isLeaving = true))
    let text = ''
    for (const decoder = new TextDecoder(); ;) {
      const { done, value } = await reader.read()
      if (done || this.#random.chance(this.#simulation.isEnding ? 0 : LOST_CHUNKS)) break
      text += decoder.decode(value, { stream: true })
      const end = Math.max(0, text.lastIndexOf(connect.transport === 'sse' ? '\n\n' : '\n'))
      for (const { event, id } of parseStream(connect.transport, text.slice(0, end))) {
        if (event !== undefined) this.#take(event)
        this.#position = id ?? this.#position
        const address = parseConnectionToken(event?.data?.connection_token ?? '')
        if (address !== undefined) this.#changeLater(address, () => isLeaving)
      }
      text = text.slice(end)
      if (this.#isUnsure || (this.#simulation.isEnding ? this.hasAll() : isLeaving)) break
    }
    isLeaving = true
    await reader.cancel()
  }

  #changeLater(address: ConnectionAddress, isOver: () => boolean): void {
    this.#simulation.clock.schedule(this.#random.below(1_000), () => {
      if (isOver()) return
      this.#changeView(address)
      this.#changeLater(address, isOver)
    })
  }

  /** Now and then: another filter, or a new token with other rights. Events of either view come until the answer does. */
  #changeView(address: ConnectionAddress): void {
    if (this.#isChanging || this.#simulation.isEnding || !this.#random.chance(CHANGES_VIEW)) return
    const { filter, grant } = this.#newView()
    const isRenewal = this.#random.chance(0.5)
    const view = isRenewal ? { ...this.#view, grant } : { ...this.#view, filter }
    this.#isChanging = true
    this.#views.push(view)
    void (isRenewal ? this.#renew(address, view) : this.#subscribe(address, view))
      .then(
        (isInForce) => void (this.#view = isInForce ? view : this.#view),
        () => {
          this.#view = view
          this.#isUnsure = true
        },
      )
      .finally(() => (this.#isChanging = false))
  }

  async #renew({ connectionId, shard }: ConnectionAddress, { grant }: RowView): Promise<boolean> {
    const { clock, env } = this.#simulation
    const expSeconds = Math.round((clock.nowMs + TOKEN_MS) / 1_000)
    const principal = { user: this.#user, session: null, expSeconds }
    return (await shardStub(env, shard).renewToken(connectionId, principal, [], grant)).ok
  }

  async #subscribe({ connectionId, shard }: ConnectionAddress, view: RowView): Promise<boolean> {
    const principal = { user: null, session: null, expSeconds: null }
    const stub = shardStub(this.#simulation.env, shard)
    return (await stub.setSubscriptions(connectionId, this.#subscriptionsOf(view), principal)).ok
  }

  #take(event: ReceivedEvent): void {
    if (event.type === this.#type) this.#tookEvent(event)
    if (event.type.startsWith('rig.table.') && event.data?.type === this.#type) this.#told(event)
    this.#live.dispatch(event)
    // Only now: until it is whole, the page shows the table before.
    if (event.type === 'rig.table.complete' && event.data?.type === this.#type) this.#noteAbsent()
  }

  #noteAbsent(): void {
    const { rows } = this.#live.table
    this.#goneWhileRead = new Set(this.#simulation.rows.keys().filter((key) => this.#couldSee(key) && !rows.has(key)))
  }

  #tookEvent({ id }: ReceivedEvent): void {
    const version = this.#simulation.rows.find(id)
    if (version === undefined || !this.#views.some((view) => passes(view, version)))
      return this.#violated(`got ${id}, which is not for it`)
    if (this.#coming !== null) this.#coming += 1
    if (this.#coming !== null && version.tenant === null) this.#removedWhileComing = id
    this.#isNewer(version)
  }

  /**
   * Only while one view is in force: with another one a table comes whose rows it may have had. And only of events: a follower that
   * has crashed routes again what a table may have been filled with.
   */
  #isNewer({ id, key, number }: RowVersion): void {
    if (this.#newest === null || this.#coming !== null || this.#views.length > 1) return
    const newest = this.#newest.get(key) ?? -1
    if (newest >= number) this.#violated(`got ${id} after version ${newest} of its row`)
    this.#newest.set(key, number)
  }

  #told({ data, type }: ReceivedEvent): void {
    if (type === 'rig.table.reset') this.#coming = 0
    if (type === 'rig.table.reset') this.#removedWhileComing = null
    if (type === 'rig.table.reset') this.#newest = new Map()
    if (type === 'rig.table.removed') this.#toldOfRemoval(data?.key ?? '')
    if (type === 'rig.table.failed') this.#violated('was told that there is no table')
    if (type !== 'rig.table.complete') return
    const removed = this.#removedWhileComing
    if (removed !== null) this.#violated(`got ${removed} in a table, which has no such row`)
    if (data?.rows !== this.#coming) this.#violated(`got ${this.#coming} rows of ${data?.rows}`)
    this.#coming = null
  }

  #toldOfRemoval(key: string): void {
    if (!this.#couldSee(key)) return this.#violated(`was told that ${key} is gone, which it could never see`)
    const isWhole = this.#newest !== null && this.#coming === null && this.#views.length === 1
    if (isWhole && !this.#live.table.rows.has(key) && !this.#goneWhileRead.delete(key))
      this.#violated(`was told that ${key} is gone, which it does not have`)
  }

  #couldSee(key: string): boolean {
    const versions = this.#simulation.rows.versionsOf(key)
    return versions.some((version) => this.#views.some((view) => sees(view, version)))
  }

  #violated(what: string): void {
    const { filter, grant, user } = this.#view
    const rights = JSON.stringify(grant?.claims ?? null)
    this.#simulation.violations.push(`${this.name} (${user}, ${this.#type}, ${filter}, ${rights}) ${what}`)
  }
}
