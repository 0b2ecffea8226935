// Joins channels of Phoenix clients and leaves them. Joining is subscribing: the Directory knows before the join is confirmed, and
// what the channel missed since its position follows the reply. Called by channel-hub.ts.
import { ok } from '../../../../core/result.ts'
import { parsePosition, type LogPlace } from '../../../../core/identity/position.ts'
import { stateTypesOf } from '../../../../core/tables/table-rule.ts'
import { resumeAt } from '../../connections/connection-state.ts'
import { tablesFor, tablesWithout } from '../../connections/table-view.ts'
import { boundOf } from '../../positions/history-bound.ts'
import type { Resumption } from '../../positions/resumption.ts'
import type { HistoryPlace } from '../../log/history.ts'
import type { JoinRequest } from '../../subscriptions/as-of-joins.ts'
import { toTime } from '../../system-events.ts'
import type { TransportParts } from '../transport.ts'
import {
  EVENTS,
  openChannel,
  parseJoin,
  withHistory,
  type Channel,
  type ChannelRules,
  type JoinPayload,
} from './channel.ts'
import type { StoredChannel } from './channel-store.ts'
import { heapBytesOfChannel } from './joined-channels.ts'
import { failed, type Message } from './message.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import type { PresenceTracker } from './presence/presence-tracker.ts'

export class ChannelJoiner {
  readonly #parts: TransportParts
  readonly #presence: PresenceTracker
  readonly #rules: ChannelRules

  constructor(parts: TransportParts, presence: PresenceTracker) {
    this.#parts = parts
    this.#presence = presence
    const { extractors, phoenix, subscriptionCheck: check, typeRules, widenUnknown } = parts.context.config
    this.#rules = { extractors, widenUnknown, privilegedRoles: phoenix.privilegedRoles, check, typeRules }
  }

  /** Restores a channel that was joined before the object lost its memory. */
  restore(
    connection: PhoenixConnection,
    { historySeq = this.#parts.log.committedSeq, joinRef, joins, payload, topic }: StoredChannel,
  ): void {
    const opened = openChannel(connection.state, { topic, joinRef, payload }, payload, this.#rules)
    if (!opened.ok) return
    connection.join(withHistory(opened.value, historySeq), null, joins)
    if (opened.value.hasPresence) this.#presence.listen(connection, topic)
  }

  async join(connection: PhoenixConnection, message: Message): Promise<void> {
    if (!this.#parts.changeRate.mayChange(connection, 1)) {
      await this.#parts.changeRate.waitToRefuse(connection)
      return connection.reply(message, failed('too many joins: wait'))
    }
    const payload = parseJoin(message.payload)
    if (!payload.ok) return connection.reply(message, failed(payload.reason))
    const isByTime = payload.value.sinceMs !== undefined && !payload.value.last_event_id
    const opened = openChannel(connection.state, message, payload.value, this.#rules, isByTime)
    if (!opened.ok) return connection.reply(message, failed(opened.reason))
    const limit = this.#parts.context.config.connections.subscriptions
    const earlier = connection.channel(message.topic)
    // A second join of a topic ends the first.
    if (earlier !== undefined) this.leave(connection, earlier, false)
    if (connection.channelCount >= limit) return connection.reply(message, failed(`at most ${limit} channels`))
    const besides = connection.subscriptionBytes + message.topic.length + (payload.value.as_of?.length ?? 0)
    const fits = this.#parts.admission.checkBytes(opened.value.interests, besides, heapBytesOfChannel(message))
    if (!fits.ok) return connection.reply(message, failed(fits.reason))
    const isChecked = message.topic.startsWith(EVENTS)
    const refusal = isChecked
      ? await this.#parts.inBandCheck.refusalOf(opened.value.interests, connection.sink.authorization)
      : undefined
    if (refusal !== undefined) return connection.reply(message, failed(refusal))
    const hasTables = this.#parts.tables.check(opened.value.interests, payload.value.as_of ?? undefined)
    if (!hasTables.ok) return connection.reply(message, failed(hasTables.reason))
    await this.#register(connection, message, opened.value, payload.value)
  }

  async #register(
    connection: PhoenixConnection,
    message: Message,
    opened: Channel,
    payload: JoinPayload,
  ): Promise<void> {
    const { admission, asOfJoins, connections, lifecycle, log, positions, resumptions, storedHistory } = this.#parts
    const { as_of: asOf, since: _, sinceMs, ...stored } = payload
    const position = payload.last_event_id ?? null
    const { filter, interests } = opened
    const { rights } = filter
    const since =
      position === null && sinceMs !== undefined ? storedHistory.placeOf(sinceMs, filter.user, interests) : null
    const { user } = connection.state.owner
    const isAddressed = filter.user !== null || filter.watched.length > 0
    const resuming = { user, isAddressed, subscriptions: interests, hasSubscribed: interests.length > 0, rights }
    const resumption = since === null ? await resumptions.find(position, resuming) : ok(ownPlaceOf(since))
    if (!resumption.ok) return connection.reply(message, failed('temporarily unavailable: join again'))
    const found = resumption.value
    const registered = await admission.register(interests)
    if (!registered.ok) return connection.reply(message, failed(registered.reason))
    const placed = await asOfJoins.placeOf(joinRequestOf(opened, position, asOf), found.kind === 'own')
    if (!placed.ok) return connection.reply(message, failed(placed.reason))
    if (connections.get(connection.state.id) !== connection) return
    const coming = {
      place: found,
      isByTime: since !== null,
      joined: placed.value,
      subscriptions: interests,
      isAddressed,
    }
    const { historySeq = 0, joined } = boundOf(this.#parts, rights, coming)
    const channel = withHistory(opened, historySeq)
    const oldHistorySeq = found.kind === 'gap' ? undefined : found.oldSinceSeq
    const { isGap, joins, startSeq } = joined
    const start = startSeq ?? (isGap ? null : startOf(found, interests.length > 0))
    const resumeSeq = !isGap && typeof start === 'number' && start >= log.floorSeq ? start : null
    const from = typeof start === 'object' ? start : null
    const isResumed = position !== null && (from !== null || resumeSeq !== null)
    this.#noteResume(connection, channel, isResumed ? found : { kind: 'gap' })
    connection.join(channel, from === null ? resumeSeq : log.committedSeq, resumeSeq === null ? [] : joins)
    this.#wantTables(connection, channel, position, from === null ? resumeSeq : null)
    lifecycle.refilter(connection, connection.filterNow(), resumeSeq ?? log.committedSeq)
    connection.sink.joined(channel, stored, resumeSeq === null ? [] : joins)
    const response = {
      last_event_id:
        from === null
          ? connection.positionOn(channel.topic, resumeSeq ?? log.committedSeq)
          : positions.ofOldShard({ ...connection.state, oldHistorySeq }, from),
      ...(since === null ? {} : completenessOf(since, sinceMs)),
      ...(position === null && asOf === undefined ? {} : { recovered: resumeSeq !== null || from !== null }),
    }
    connection.reply(message, { status: 'ok', response })
    const replay = { delivered: null, historySeq: oldHistorySeq ?? Infinity, isLate: false }
    if (from !== null) connection.replayChannelOfOldShard(channel.topic, { from, ...replay })
    connection.replay()
    this.#parts.tables.serveSoon(connection)
    this.#presence.joined(connection, channel)
  }

  /** Until the client has joined a channel with event types, its positions say from where it may still join one. */
  #noteResume(connection: PhoenixConnection, { interests }: Channel, found: Resumption): void {
    const { context, log } = this.#parts
    if (interests.length > 0) return connection.hasSubscribed()
    if (found.kind === 'gap') return
    const isOld = found.kind === 'old'
    const before = isOld ? { epoch: found.from.epoch, seq: found.openSeq } : found.openBefore
    const resume = resumeAt(isOld ? log.committedSeq : found.openSeq, before, context.now())
    if (resume !== null) connection.resumed(resume, found.oldSinceSeq)
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

  /** `isDeliberate`: its client has asked for it. */
  leave(connection: PhoenixConnection, channel: Channel, isDeliberate: boolean): void {
    connection.leave(channel.topic)
    const { lifecycle, log, tables } = this.#parts
    const left = stateTypesOf(channel.interests)
    if (left.length > 0) {
      lifecycle.update(connection, { tables: tablesWithout(connection.state, left) })
      // Tables of other channels that were being sent together with this one's.
      tables.serveSoon(connection)
    }
    lifecycle.refilter(connection, connection.filterOfChannels(), log.committedSeq)
    connection.sink.left(channel.topic)
    connection.notify(channel, 'phx_close', {})
    this.#presence.left(connection, channel, isDeliberate)
  }
}

/**
 * Returns where a channel begins: a sequence number of this log, or a place in the old shard's log. Null: there would be a
 * gap. `isOpen`: of its events the client has had none after `openSeq`, on this channel or another transport.
 */
function startOf(found: Resumption, isOpen: boolean): number | LogPlace | null {
  if (found.kind === 'gap' || !found.isCovered) return null
  if (found.kind === 'old') return isOpen ? { epoch: found.from.epoch, seq: found.openSeq } : found.from
  if (!isOpen) return found.seq
  return found.openBefore ?? found.openSeq
}

/** What is stored comes, whether or not it is complete: the reply says since when it is. */
function ownPlaceOf({ seq }: HistoryPlace): Resumption {
  return {
    kind: 'own',
    seq,
    openSeq: seq,
    openBefore: null,
    isCovered: true,
    sinceSeq: undefined,
    oldSinceSeq: undefined,
  }
}

function completenessOf({ completeSinceMs }: HistoryPlace, sinceMs = 0): object {
  const recovered = completeSinceMs !== null && completeSinceMs <= sinceMs
  return { complete_since: toTime(completeSinceMs), ...(sinceMs === 0 ? {} : { recovered }) }
}

function joinRequestOf(
  { filter, interests }: Channel,
  lastEventId: string | null,
  asOf: string | null | undefined,
): JoinRequest {
  const eventTypes = interests.map(({ eventType }) => eventType)
  return { lastEventId, asOf: asOf ?? undefined, eventTypes, hasUser: filter.user !== null }
}
