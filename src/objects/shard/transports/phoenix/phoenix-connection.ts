// A Phoenix socket, by WebSocket or long-polling: one connection, whose filter is the union of its channels'. Each event
// goes out once for every channel that it passes, with its position as `ref`, which the library hands to callbacks as
// their second argument. What a message asks for is phoenix-hub.ts's; this is what is written.
import { SerialQueue } from '../../../../core/serial-queue.ts'
import type { DeliveryGroup } from '../../../../core/delivery/delivery-groups.ts'
import type { StoredEvent } from '../../../../core/events/stored-event.ts'
import { createFilter, matchesFilter, type Filter } from '../../../../core/subscriptions/filter.ts'
import { toClose, type RigelError } from '../../../../core/errors.ts'
import type { Subscription } from '../../../../core/subscriptions/subscription.ts'
import type { Connection, Owner, Resume } from '../../connection.ts'
import { readNextChunk, type History } from '../../log/replay.ts'
import type { SystemEvent } from '../../system-events.ts'
import type { Channel, Joiner } from './channel.ts'
import { encode, encodeReply, type Message, type Reply, type Vsn } from './message.ts'

/** What a connection is written to: a WebSocket, or the outbox of a long-polling session. */
export interface Wire {
  send(frame: string): void
  close(code: number, reason: string): void
}

export interface PhoenixConnectionOptions {
  readonly joiner: Joiner
  /** Milliseconds since the epoch. */
  readonly openedAtMs: number
  readonly endsAtMs: number
  readonly endsByToken: boolean
  readonly wire: Wire
  readonly history: History
  /** Called once it is forgotten, for whatever reason. */
  readonly onForgotten: (connection: PhoenixConnection) => void
}

export class PhoenixConnection implements Connection {
  readonly transport = 'phoenix'
  readonly resume: Resume | null = null
  readonly subscriptions: readonly Subscription[] = []
  readonly inferred: readonly Subscription[] = []
  /** The library asks for a new token when it reconnects. */
  readonly warned = true
  owner: Owner
  endsAtMs: number
  endsByToken: boolean
  readonly joiner: Joiner
  readonly channels = new Map<string, Channel>()
  filter: Filter
  /** What the client asks for is done in the order in which it asked. */
  readonly queue = new SerialQueue()
  vsn: Vsn
  readonly #options: PhoenixConnectionOptions

  constructor(options: PhoenixConnectionOptions) {
    this.#options = options
    this.joiner = options.joiner
    this.vsn = options.joiner.hello.vsn
    const { user, session } = options.joiner.principal
    this.owner = { user, sessions: session === null ? [] : [session], openedAtMs: options.openedAtMs, metadata: {} }
    this.endsAtMs = options.endsAtMs
    this.endsByToken = options.endsByToken
    this.filter = createFilter(options.joiner.connectionId, null, [])
  }

  /** What the filter of the connection has to be for the channels it has now. */
  wantedFilter(): Filter {
    const channels = [...this.channels.values()]
    const own = channels.some(({ filter }) => filter.user !== null)
    const watched = channels.flatMap(({ filter }) => filter.watched)
    const subscriptions = channels.flatMap(({ filter }) => subscriptionsOf(filter))
    return createFilter(this.filter.connectionId, own ? this.joiner.principal.user : null, subscriptions, watched)
  }

  deliver(group: DeliveryGroup): void {
    for (const event of group.events) {
      for (const channel of this.channels.values()) if (matchesFilter(channel.filter, event)) this.#push(channel, event)
    }
  }

  /** Sends what the channel missed since `seq`. False: the log has been trimmed meanwhile. */
  replay(channel: Channel, seq: number): boolean {
    for (let at = seq; ;) {
      const chunk = readNextChunk(this.#options.history, channel.filter, at)
      if (chunk.kind === 'trimmed') return false
      for (const event of chunk.events) this.#push(channel, event)
      if (chunk.atEnd) return true
      at = chunk.seq
    }
  }

  /** A channel's history is asked for when it is joined: nothing is read again later. */
  rewind(): void {}

  /** RIG's own events are no part of Phoenix: replies say the same. */
  tell(_event: SystemEvent): void {}

  reply(to: Message, reply: Reply): void {
    this.#options.wire.send(encodeReply(this.vsn, to, reply))
  }

  /** A message of the channel itself: phx_close, presence_state, presence_diff. */
  notify({ topic, joinRef }: Pick<Channel, 'topic' | 'joinRef'>, event: string, payload: object): void {
    const ref = event === 'phx_close' ? joinRef : null
    this.#options.wire.send(encode(this.vsn, { joinRef, ref, topic, event }, JSON.stringify(payload)))
  }

  end(reason: RigelError): void {
    const close = toClose(reason)
    this.#options.wire.close(close.code, close.reason)
  }

  forgotten(): void {
    this.#options.onForgotten(this)
  }

  #push({ topic, joinRef, naming }: Channel, event: StoredEvent): void {
    const ref = this.#options.history.position(event.seq)
    const name = naming === 'type' ? event.type : 'message'
    this.#options.wire.send(encode(this.vsn, { joinRef, ref, topic, event: name }, event.json))
  }
}

function subscriptionsOf({ byType }: Filter): readonly Subscription[] {
  return [...byType].map(([eventType, oneOf]) => ({ eventType, oneOf }))
}
