// What a Phoenix client asks for, whatever its transport: heartbeat, join, leave, push. Joining is subscribing: the
// Directory knows before the join is confirmed, and what the channel missed since its position follows the reply.
import type { ProducedRecord } from '../../../../core/events/kafka-record.ts'
import { toHttp, type RigelError } from '../../../../core/errors.ts'
import type { Result } from '../../../../core/result.ts'
import type { ConnectionAdmission } from '../../admission.ts'
import type { ConnectionRegistry } from '../../connection-registry.ts'
import type { InterestRegistry } from '../../interest-registry.ts'
import type { CommittedLog } from '../../log/committed-log.ts'
import { openChannel, parseJoin, type Channel, type ChannelRules, type JoinPayload } from './channel.ts'
import type { Message, Reply } from './message.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import type { PresenceTracker } from './presence-tracker.ts'

export interface PhoenixHubDeps {
  readonly rules: ChannelRules
  /** Channels a connection may have. */
  readonly limit: number
  readonly connections: ConnectionRegistry
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly admission: ConnectionAdmission
  readonly desk: PresenceTracker
  /** Publishes a CloudEvent of a client, under the submission check. */
  readonly submit: (payload: unknown, hasToken: boolean) => Promise<Result<ProducedRecord, RigelError>>
}

/** What the transport has to keep, so that a channel survives sleep. */
export interface Keeper {
  joined(connection: PhoenixConnection, channel: Channel, payload: JoinPayload): void
  left(connection: PhoenixConnection, topic: string): void
}

const OK: Reply = { status: 'ok', response: {} }

export class PhoenixHub {
  readonly #deps: PhoenixHubDeps

  constructor(deps: PhoenixHubDeps) {
    this.#deps = deps
  }

  /** In the order in which they came: a leave never overtakes its join. */
  handle(connection: PhoenixConnection, message: Message, keeper: Keeper): Promise<void> {
    if (message.topic === 'phoenix') return Promise.resolve(this.#heartbeat(connection, message))
    return connection.queue.run(() => this.#dispatch(connection, message, keeper))
  }

  /** A channel that was there before the object slept. */
  restore(connection: PhoenixConnection, joining: Pick<Channel, 'topic' | 'joinRef'>, payload: JoinPayload): void {
    const opened = openChannel(connection.joiner, { ...joining, payload }, payload, this.#deps.rules)
    if (!opened.ok) return
    connection.channels.set(joining.topic, opened.value)
    if (opened.value.hasPresence) this.#deps.desk.listen(connection, joining.topic)
  }

  /** The connection is gone: its user may come back. */
  forgotten(connection: PhoenixConnection): void {
    const channels = [...connection.channels.values()]
    connection.channels.clear()
    for (const channel of channels) this.#deps.desk.left(connection, channel, false)
  }

  #heartbeat(connection: PhoenixConnection, message: Message): void {
    if (message.event === 'heartbeat') connection.reply(message, OK)
  }

  async #dispatch(connection: PhoenixConnection, message: Message, keeper: Keeper): Promise<void> {
    if (message.event === 'phx_join') return this.#join(connection, message, keeper)
    const channel = connection.channels.get(message.topic)
    if (message.event === 'phx_leave') return this.#leave(connection, message, channel, keeper)
    if (channel === undefined) return connection.reply(message, failed('unmatched topic'))
    // Of an earlier join, whose client has moved on.
    if (message.joinRef !== null && message.joinRef !== channel.joinRef) return
    if (message.event === 'event') return this.#submit(connection, message)
    connection.reply(message, failed(`no such event here: ${message.event.slice(0, 40)}; there is "event"`))
  }

  async #join(connection: PhoenixConnection, message: Message, keeper: Keeper): Promise<void> {
    const { admission, connections, interests, limit, log, rules } = this.#deps
    const payload = parseJoin(message.payload)
    if (!payload.ok) return connection.reply(message, failed(payload.reason))
    const opened = openChannel(connection.joiner, message, payload.value, rules)
    if (!opened.ok) return connection.reply(message, failed(opened.reason))
    const channel = opened.value
    this.#closeEarlier(connection, channel, keeper)
    if (connection.channels.size >= limit) return connection.reply(message, failed(`at most ${limit} channels`))
    const position = payload.value.last_event_id ?? null
    const seq = position === null ? undefined : log.resumable(position)
    // Before the interests are declared: declaring makes new ones known.
    const covered = seq !== undefined && interests.cover(channel.interests, seq)
    const declared = await admission.declare(channel.interests)
    if (!declared.ok) return connection.reply(message, failed(toHttp(declared.reason).message))
    if (connections.get(connection.joiner.connectionId) !== connection) return
    connection.channels.set(channel.topic, channel)
    connections.refilter(connection, connection.wantedFilter())
    keeper.joined(connection, channel, payload.value)
    this.#confirm(connection, message, channel, { position, seq: covered ? seq : undefined })
    this.#deps.desk.joined(connection, channel)
  }

  /** The reply, then what was missed, then, from the caller's next turn on, what is new. */
  #confirm(
    connection: PhoenixConnection,
    message: Message,
    channel: Channel,
    { position, seq }: { readonly position: string | null; readonly seq: number | undefined },
  ): void {
    const { log } = this.#deps
    const recovered = seq !== undefined && seq >= log.floorSeq
    const response = {
      last_event_id: log.position(recovered ? seq : log.committedSeq),
      ...(position === null ? {} : { recovered }),
    }
    connection.reply(message, { status: 'ok', response })
    if (recovered) connection.replay(channel, seq)
  }

  /** A second join of a topic ends the first. */
  #closeEarlier(connection: PhoenixConnection, { topic }: Channel, keeper: Keeper): void {
    const earlier = connection.channels.get(topic)
    if (earlier === undefined) return
    this.#close(connection, earlier, keeper, false)
  }

  #leave(connection: PhoenixConnection, message: Message, channel: Channel | undefined, keeper: Keeper): void {
    const isThisJoin = message.joinRef === null || message.joinRef === channel?.joinRef
    connection.reply(message, OK)
    if (channel !== undefined && isThisJoin) this.#close(connection, channel, keeper, true)
  }

  #close(connection: PhoenixConnection, channel: Channel, keeper: Keeper, atOnce: boolean): void {
    connection.channels.delete(channel.topic)
    this.#deps.connections.refilter(connection, connection.wantedFilter())
    keeper.left(connection, channel.topic)
    connection.notify(channel, 'phx_close', {})
    this.#deps.desk.left(connection, channel, atOnce)
  }

  async #submit(connection: PhoenixConnection, message: Message): Promise<void> {
    const produced = await this.#deps.submit(message.payload, connection.joiner.principal.expSeconds !== null)
    if (!produced.ok) return connection.reply(message, failed(toHttp(produced.reason).message))
    const { topic, partition, offset } = produced.value
    connection.reply(message, { status: 'ok', response: { topic, partition, offset } })
  }
}

function failed(reason: string): Reply {
  return { status: 'error', response: { reason } }
}
