// Handles what a Phoenix client asks for, whatever its transport: heartbeat, join, leave, push. Joining is subscribing: the
// Directory knows before the join is confirmed, and what the channel missed since its position follows the reply.
import { logIncident } from '../../../../telemetry/incident-log.ts'
import * as z from 'zod'
import { toHttp } from '../../../../core/errors.ts'
import { formatPosition, parsePosition } from '../../../../core/identity/position.ts'
import { stateTypesOf } from '../../../../core/tables/table-rule.ts'
import { tablesFor } from '../../connections/connection-state.ts'
import { createEventLog } from '../../../../sources/create-event-log.ts'
import { submit } from '../../../../publishing/publish.ts'
import type { CloudEvent } from '../../../../core/events/stored-event.ts'
import { PublishRules } from '../../../../publishing/publish-rules.ts'
import { PublishBudget } from '../../../../publishing/publish-budget.ts'
import type { HistoryPlace } from '../../log/history.ts'
import { toTime } from '../../system-events.ts'
import type { JoinWish } from '../../subscriptions/as-of-joins.ts'
import type { Resumption } from '../../connections/resumption.ts'
import type { TransportParts } from '../transport.ts'
import { EVENTS, openChannel, parseJoin, type Channel, type ChannelRules, type JoinPayload } from './channel.ts'
import type { StoredChannel } from './channel-store.ts'
import type { Message, Reply } from './message.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import type { PresenceTracker } from './presence-tracker.ts'

/** Messages of one client that wait for those before them. The largest is 1.1 MB. */
const MAX_QUEUED = 1_000
const MAX_QUEUED_SIZE = 4_194_304

const passedSchema = z.object({ offsets: z.string().max(32_768) })

const OK: Reply = { status: 'ok', response: {} }

export class ChannelHub {
  readonly #parts: TransportParts
  readonly #presence: PresenceTracker
  readonly #rules: ChannelRules
  readonly #budget: PublishBudget
  readonly #publishRules: PublishRules

  constructor(parts: TransportParts, presence: PresenceTracker) {
    this.#parts = parts
    this.#presence = presence
    const { config, now } = parts.context
    this.#budget = new PublishBudget(config.publishBudget)
    this.#publishRules = new PublishRules(config, { fetch: (input, init) => fetch(input, init), nowMs: now })
    const { extractors, phoenix, subscriptionCheck: check, typeRules, widenUnknown } = parts.context.config
    this.#rules = { extractors, widenUnknown, privilegedRoles: phoenix.privilegedRoles, check, typeRules }
  }

  /** Messages are handled in the order in which they came: a leave never overtakes its join. `size`: of the message. */
  async handle(connection: PhoenixConnection, message: Message, size: number): Promise<void> {
    if (message.topic === 'phoenix') return this.#heartbeat(connection, message)
    if (connection.queued >= MAX_QUEUED || connection.queuedSize + size > MAX_QUEUED_SIZE)
      return this.#parts.changeRate.endFlooding(connection)
    connection.queued += 1
    connection.queuedSize += size
    try {
      await connection.queue.run(() => this.#dispatch(connection, message))
    } finally {
      connection.queued -= 1
      connection.queuedSize -= size
    }
  }

  /** Restores a channel that was joined before the object lost its memory. */
  restore(connection: PhoenixConnection, { joinRef, joins, payload, topic }: StoredChannel): void {
    const opened = openChannel(connection.state, { topic, joinRef, payload }, payload, this.#rules)
    if (!opened.ok) return
    connection.join(opened.value, null, joins)
    if (opened.value.hasPresence) this.#presence.listen(connection, topic)
  }

  /** The connection is gone without a leave: its user may come back. */
  removed(connection: PhoenixConnection): void {
    for (const channel of connection.channels()) this.#presence.left(connection, channel, false)
  }

  #heartbeat(connection: PhoenixConnection, message: Message): void {
    if (message.event === 'heartbeat') connection.reply(message, OK)
  }

  async #dispatch(connection: PhoenixConnection, message: Message): Promise<void> {
    if (message.event === 'phx_join') return this.#join(connection, message)
    const channel = connection.channel(message.topic)
    if (message.event === 'phx_leave') return this.#leave(connection, message, channel)
    if (channel === undefined) return connection.reply(message, failed('unmatched topic'))
    // A message for an earlier join, whose client has joined again.
    if (message.joinRef !== null && message.joinRef !== channel.joinRef) return
    if (message.event === 'event') return this.#submit(connection, message)
    // Not in the order of messages: it may take seconds, and changes nothing.
    if (message.event === 'passed') return this.#parts.context.background(this.#tellPassed(connection, message))
    const there = 'there are "event" and "passed"'
    connection.reply(message, failed(`no such event here: ${message.event.slice(0, 40)}; ${there}`))
  }

  async #join(connection: PhoenixConnection, message: Message): Promise<void> {
    if (!this.#parts.changeRate.mayChange(connection, 1)) {
      await this.#parts.changeRate.waitToRefuse(connection)
      return connection.reply(message, failed('too many joins: wait'))
    }
    const payload = parseJoin(message.payload)
    if (!payload.ok) return connection.reply(message, failed(payload.reason))
    const isByTime = payload.value.sinceMs !== undefined && !payload.value.last_event_id
    const historySeq = isByTime ? this.#parts.log.committedSeq : 0
    const opened = openChannel(connection.state, message, payload.value, this.#rules, historySeq)
    if (!opened.ok) return connection.reply(message, failed(opened.reason))
    const limit = this.#parts.context.config.connections.subscriptions
    const earlier = connection.channel(message.topic)
    // A second join of a topic ends the first.
    if (earlier !== undefined) this.#close(connection, earlier, false)
    if (connection.channelCount >= limit) return connection.reply(message, failed(`at most ${limit} channels`))
    const besides = connection.subscriptionBytes + message.topic.length + (payload.value.as_of?.length ?? 0)
    const fits = this.#parts.admission.checkBytes(opened.value.interests, besides)
    if (!fits.ok) return connection.reply(message, failed(toHttp(fits.reason).message))
    const isChecked = message.topic.startsWith(EVENTS)
    const refusal = isChecked
      ? await this.#parts.inBandCheck.refusalOf(opened.value.interests, connection.sink.authorization)
      : undefined
    if (refusal !== undefined) return connection.reply(message, failed(toHttp(refusal).message))
    const hasTables = this.#parts.tables.check(opened.value.interests, payload.value.as_of ?? undefined)
    if (!hasTables.ok) return connection.reply(message, failed(toHttp(hasTables.reason).message))
    await this.#register(connection, message, opened.value, payload.value)
  }

  async #register(
    connection: PhoenixConnection,
    message: Message,
    channel: Channel,
    payload: JoinPayload,
  ): Promise<void> {
    const { admission, asOfJoins, connections, lifecycle, log, storedHistory } = this.#parts
    const { as_of: asOf, since: _, sinceMs, ...stored } = payload
    const position = payload.last_event_id ?? null
    const { filter, interests } = channel
    const since =
      position === null && sinceMs !== undefined ? storedHistory.placeOf(sinceMs, filter.user, interests) : null
    const found = since === null ? await this.#findPosition(connection, channel, position) : ownPlaceOf(since)
    if (found === undefined) return connection.reply(message, failed('temporarily unavailable: join again'))
    const registered = await admission.register(channel.interests)
    if (!registered.ok) return connection.reply(message, failed(toHttp(registered.reason).message))
    const placed = await asOfJoins.placeOf(wishOf(channel, position, asOf), found.kind === 'own')
    if (!placed.ok) return connection.reply(message, failed(toHttp(placed.reason).message))
    if (connections.get(connection.state.id) !== connection) return
    const { joins, startSeq } = placed.value
    const { isGap } = placed.value
    const isCovered = !isGap && found.kind !== 'gap' && found.isCovered
    const ownSeq = startSeq ?? (found.kind === 'own' && isCovered ? found.seq : null)
    const resumeSeq = !isGap && ownSeq !== null && ownSeq >= log.floorSeq ? ownSeq : null
    const from = found.kind === 'old' && isCovered ? found.from : null
    connection.join(channel, from === null ? resumeSeq : log.committedSeq, resumeSeq === null ? [] : joins)
    this.#wantTables(connection, channel, position, from === null ? resumeSeq : null)
    lifecycle.refilter(connection, connection.filterNow(), resumeSeq ?? log.committedSeq)
    connection.sink.joined(channel, stored, resumeSeq === null ? [] : joins)
    const response = {
      last_event_id:
        from === null
          ? connection.positionOn(channel.topic, resumeSeq ?? log.committedSeq)
          : formatPosition(from.epoch, from.seq),
      ...(since === null ? {} : completenessOf(since, sinceMs)),
      ...(position === null && asOf === undefined ? {} : { recovered: resumeSeq !== null || from !== null }),
    }
    connection.reply(message, { status: 'ok', response })
    if (from !== null) connection.replayChannelOfOldShard(channel.topic, { from, delivered: null, isLate: false })
    connection.replay()
    this.#parts.tables.serveSoon(connection)
    this.#presence.joined(connection, channel)
  }

  /** Its client has the table up to its position, or gets all of it. */
  #wantTables(
    connection: PhoenixConnection,
    { interests }: Channel,
    position: string | null,
    seq: number | null,
  ): void {
    const { lifecycle, tables } = this.#parts
    const { grant } = connection.state
    const view = { subscriptions: interests, grant }
    const isContinued = seq !== null && tables.continuesFrom(view, seq, parsePosition(position ?? '')?.mark)
    const added = tablesFor(interests, isContinued)
    if (added === undefined) return
    lifecycle.update(connection, { tables: { ...connection.state.tables, ...added } })
  }

  /** Undefined: the client's old shard does not answer. */
  async #findPosition(
    { state }: PhoenixConnection,
    { interests }: Channel,
    position: string | null,
  ): Promise<Resumption | undefined> {
    if (position === null) return { kind: 'gap' }
    return this.#parts.resumptions.find(position, state.owner.user, interests, true).catch((error: unknown) => {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      return undefined
    })
  }

  #leave(connection: PhoenixConnection, message: Message, channel: Channel | undefined): void {
    const isThisJoin = message.joinRef === null || message.joinRef === channel?.joinRef
    connection.reply(message, OK)
    if (channel !== undefined && isThisJoin) this.#close(connection, channel, true)
  }

  #close(connection: PhoenixConnection, channel: Channel, isDeliberate: boolean): void {
    connection.leave(channel.topic)
    const { lifecycle, log } = this.#parts
    const left = stateTypesOf(channel.interests)
    if (left.length > 0) {
      const kept = Object.entries(connection.state.tables ?? {}).filter(([type]) => !left.includes(type))
      lifecycle.update(connection, { tables: Object.fromEntries(kept) })
    }
    lifecycle.refilter(connection, connection.filterOfChannels(), log.committedSeq)
    connection.sink.left(channel.topic)
    connection.notify(channel, 'phx_close', {})
    this.#presence.left(connection, channel, isDeliberate)
  }

  /** Replies to a question when the connection has been sent everything up to its offsets. */
  async #tellPassed(connection: PhoenixConnection, message: Message): Promise<void> {
    const { success, data } = passedSchema.safeParse(message.payload)
    if (!success) return connection.reply(message, failed('must be {"offsets": "topic/partition@offset"}'))
    const passed = await this.#parts.passedOffsets.wait(connection.state.id, data.offsets)
    if (!passed.ok) return connection.reply(message, failed(toHttp(passed.reason).message))
    const position = connection.positionOn(message.topic, connection.progress.writtenSeq)
    connection.reply(message, { status: 'ok', response: { last_event_id: position } })
  }

  /** Publishes a CloudEvent of the client, under SUBMISSION_CHECK. */
  async #submit(connection: PhoenixConnection, message: Message): Promise<void> {
    const { config, env, now } = this.#parts.context
    const { grant, hasToken, id, owner } = connection.state
    const publisher = owner.user === null ? `connection ${id}` : `user ${owner.user}`
    const spend = (events: number, bytes: number) => this.#budget.spend(publisher, events, bytes, now())
    const openLog = () => createEventLog(env, config)
    const admit = (events: readonly CloudEvent[]) => this.#publishRules.admit(events, grant, publisher)
    const produced = await submit(message.payload, hasToken, config, openLog, spend, admit)
    if (!produced.ok) return connection.reply(message, failed(toHttp(produced.reason).message))
    const { topic, partition, offset } = produced.value
    connection.reply(message, { status: 'ok', response: { topic, partition, offset } })
  }
}

/** What is stored comes, whether or not it is complete: the reply says since when it is. */
function ownPlaceOf({ seq }: HistoryPlace): Resumption {
  return { kind: 'own', seq, openSeq: seq, openBefore: null, isCovered: true }
}

function completenessOf({ completeSinceMs }: HistoryPlace, sinceMs = 0): object {
  const recovered = completeSinceMs !== null && completeSinceMs <= sinceMs
  return { complete_since: toTime(completeSinceMs), ...(sinceMs === 0 ? {} : { recovered }) }
}

function wishOf({ filter, interests }: Channel, lastEventId: string | null, asOf: string | null | undefined): JoinWish {
  const eventTypes = interests.map(({ eventType }) => eventType)
  return { lastEventId, asOf: asOf ?? undefined, eventTypes, hasUser: filter.user !== null }
}

function failed(reason: string): Reply {
  return { status: 'error', response: { reason } }
}
