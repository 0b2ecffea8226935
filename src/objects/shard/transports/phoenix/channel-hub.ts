// Handles what a Phoenix client asks for, whatever its transport, in the order in which it asks: heartbeat, join, leave, push.
// channel-joiner.ts joins and leaves.
import * as z from 'zod'
import { createEventLog } from '../../../../sources/create-event-log.ts'
import { submit } from '../../../../publishing/publish.ts'
import type { CloudEvent } from '../../../../core/events/stored-event.ts'
import { PublishRules } from '../../../../publishing/publish-rules.ts'
import { PublishBudget } from '../../../../publishing/publish-budget.ts'
import type { TransportParts } from '../transport.ts'
import type { Channel } from './channel.ts'
import { ChannelJoiner } from './channel-joiner.ts'
import type { StoredChannel } from './channel-store.ts'
import { failed, OK, type Message } from './message.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import type { PresenceTracker } from './presence/presence-tracker.ts'

/** Messages of one client that wait for those before them. The largest is 1.1 MB. */
const MAX_QUEUED = 1_000
const MAX_QUEUED_SIZE = 4_194_304

const passedSchema = z.object({ offsets: z.string().max(32_768) })

export class ChannelHub {
  readonly #parts: TransportParts
  readonly #presence: PresenceTracker
  readonly #joiner: ChannelJoiner
  readonly #budget: PublishBudget
  readonly #publishRules: PublishRules

  constructor(parts: TransportParts, presence: PresenceTracker) {
    this.#parts = parts
    this.#presence = presence
    const { config, now } = parts.context
    this.#budget = new PublishBudget(config.publishBudget)
    this.#publishRules = new PublishRules(config, { fetch: (input, init) => fetch(input, init), nowMs: now })
    this.#joiner = new ChannelJoiner(parts, presence)
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
  restore(connection: PhoenixConnection, stored: StoredChannel): void {
    this.#joiner.restore(connection, stored)
  }

  /** The connection is gone without a leave: its user may come back. */
  removed(connection: PhoenixConnection): void {
    for (const channel of connection.channels()) this.#presence.left(connection, channel, false)
  }

  #heartbeat(connection: PhoenixConnection, message: Message): void {
    if (message.event === 'heartbeat') connection.reply(message, OK)
  }

  async #dispatch(connection: PhoenixConnection, message: Message): Promise<void> {
    if (message.event === 'phx_join') return this.#joiner.join(connection, message)
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

  #leave(connection: PhoenixConnection, message: Message, channel: Channel | undefined): void {
    const isThisJoin = message.joinRef === null || message.joinRef === channel?.joinRef
    connection.reply(message, OK)
    if (channel !== undefined && isThisJoin) this.#joiner.leave(connection, channel, true)
  }

  /** Replies to a question when the connection has been sent everything up to its offsets. */
  async #tellPassed(connection: PhoenixConnection, message: Message): Promise<void> {
    const { success, data } = passedSchema.safeParse(message.payload)
    if (!success) return connection.reply(message, failed('must be {"offsets": "topic/partition@offset"}'))
    const passed = await this.#parts.passedOffsets.wait(connection.state.id, data.offsets)
    if (!passed.ok) return connection.reply(message, failed(passed.reason))
    const position = connection.positionOn(message.topic, connection.progress.writtenSeq)
    connection.reply(message, { status: 'ok', response: { last_event_id: position } })
  }

  /** Publishes a CloudEvent of the client, under SUBMISSION_CHECK. */
  async #submit(connection: PhoenixConnection, message: Message): Promise<void> {
    const { config, env, now } = this.#parts.context
    const { grant, hasToken, id, owner, phoenix } = connection.state
    // Not by the connection: its client can open another.
    const publisher = owner.user === null ? (phoenix?.payer ?? `connection ${id}`) : `user ${owner.user}`
    const spend = (events: number, bytes: number) => this.#budget.spend(publisher, events, bytes, now())
    const openLog = () => createEventLog(env, config)
    const admit = (events: readonly CloudEvent[]) => this.#publishRules.admit(events, grant, publisher)
    const produced = await submit(message.payload, hasToken, config, openLog, spend, admit)
    if (!produced.ok) return connection.reply(message, failed(produced.reason))
    const { topic, partition, offset } = produced.value
    connection.reply(message, { status: 'ok', response: { topic, partition, offset } })
  }
}
