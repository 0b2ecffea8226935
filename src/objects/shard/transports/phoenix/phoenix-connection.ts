// A Phoenix connection, by WebSocket or long-polling: its filter is the union of its channels'. An event goes out once for
// each channel that it passes, with its position as `ref`, which the library hands to callbacks as their second argument.
// channel-hub.ts handles what a client asks for; this file writes.
import type { DeliveryGroup } from '../../../../core/delivery/delivery-groups.ts'
import type { StoredEvent } from '../../../../core/events/stored-event.ts'
import { createFilter, matchesFilter, type Filter } from '../../../../core/subscriptions/filter.ts'
import type { RigelError } from '../../../../core/errors.ts'
import { SerialQueue } from '../../../../core/serial-queue.ts'
import type { OffsetJoin } from '../../../../core/as-of/joins.ts'
import type { OldShardReplay } from '../../old-shard/old-shard-replay.ts'
import { OldShardReplayer } from '../../old-shard/old-shard-replayer.ts'
import { BaseConnection } from '../../connections/connection.ts'
import type { ConnectionState, Resume } from '../../connections/connection-state.ts'
import { ReplayPump } from '../replay-pump.ts'
import { toStored, type SystemEvent } from '../../system-events.ts'
import type { TableReader } from '../../tables/table-reader.ts'
import type { TransportParts } from '../transport.ts'
import type { Channel } from './channel.ts'
import { ChannelSteps } from './channel-steps.ts'
import { replayTargetOf } from './channel-replay-target.ts'
import { JoinedChannels, type JoinedChannel } from './joined-channels.ts'
import { encode, encodeReply, nameOfType, type Message, type Reply, type Vsn } from './message.ts'
import type { PhoenixSink } from './phoenix-sink.ts'
import type { PresencePageReader } from './presence/presence-copy.ts'

export class PhoenixConnection extends BaseConnection {
  override readonly takesSubscriptions = false
  /** The library asks for a new token by itself when it reconnects. */
  override isWarned = true
  /** A client's messages are handled in the order in which they came. */
  readonly queue = new SerialQueue()
  /** Messages that wait in the queue, and the size of them. */
  queued = 0
  queuedSize = 0
  /** The serializer that the client speaks. */
  vsn: Vsn
  readonly sink: PhoenixSink
  readonly #channels: JoinedChannels
  readonly #steps: ChannelSteps
  readonly #parts: TransportParts
  readonly #pump: ReplayPump
  readonly #onRemoved: (connection: PhoenixConnection) => void
  /** What the sink was told last. */
  #isReplaying = false

  constructor(
    state: ConnectionState,
    sink: PhoenixSink,
    parts: TransportParts,
    onRemoved: (connection: PhoenixConnection) => void,
  ) {
    super(state, createFilter(state.id, null, []))
    this.sink = sink
    this.vsn = state.phoenix?.vsn ?? 1
    this.#channels = new JoinedChannels(parts)
    this.#steps = new ChannelSteps(this.#channels, parts.log)
    this.#parts = parts
    this.#onRemoved = onRemoved
    this.#pump = new ReplayPump({
      bufferedBytes: () => sink.bufferedBytes,
      step: () => this.#sendNext(),
      onStalled: () => parts.lifecycle.endSlow(this),
      after: (ms, act) => parts.timers.after(ms, act),
    })
  }

  get bufferedBytes(): number {
    return this.sink.bufferedBytes
  }

  /** The progress of the channel that is furthest behind. */
  get progress() {
    return { writtenSeq: Math.min(this.#parts.log.committedSeq, this.#channels.behindSeq), acknowledgedSeq: null }
  }

  get channelCount(): number {
    return this.#channels.size
  }

  /** Length of the JSON of what its channels subscribe to. */
  get subscriptionBytes(): number {
    return this.#channels.subscriptionBytes
  }

  channel(topic: string): Channel | undefined {
    return this.#channels.get(topic)?.channel
  }

  channels(): readonly Channel[] {
    return this.#channels.channels()
  }

  /**
   * The events that the channel missed after `fromSeq` are sent first, in steps, then new ones. `joins`: what its client's
   * state has.
   */
  join(channel: Channel, fromSeq: number | null, joins: readonly OffsetJoin[] = []): void {
    this.#channels.add(channel, fromSeq, joins)
    this.#noteReplaying()
  }

  /** The events that a channel missed at the client's old shard are sent first. It was joined from the end of the log. */
  replayChannelOfOldShard(topic: string, replay: OldShardReplay): void {
    const joined = this.#channels.get(topic)
    if (joined === undefined) return
    const target = replayTargetOf(joined, {
      bufferedBytes: () => this.bufferedBytes,
      push: (event, position) => this.#push(joined, event, position),
      position: (seq) => this.positionOn(topic, seq),
      oldPosition: (place) =>
        this.#parts.positions.ofOldShard({ ...this.state, oldHistorySeq: replay.historySeq }, place),
      done: () => {
        this.replay()
        // It may have missed nothing, and nothing may come: its client must not keep a position of the old log, which ends.
        this.#tellPosition(joined)
      },
      failed: (reason) => this.#parts.lifecycle.end(this, reason),
    })
    joined.oldShard = new OldShardReplayer(this.#parts.oldShards, target)
    joined.oldShard.start(replay, 0)
  }

  leave(topic: string): void {
    this.#channels.delete(topic)
    this.#steps.left(topic)
    this.#noteReplaying()
  }

  /**
   * A channel without event types was joined with a position: until one with event types is joined, the positions of all
   * channels say from where such a channel may still be joined.
   */
  resumed(resume: Resume, oldHistorySeq: number | undefined): void {
    const isFirst = this.state.resume === null
    const isOlder = resume.before === null && this.state.resume?.before === null && resume.seq < this.state.resume.seq
    if ((isFirst || isOlder) && !this.channels().some(({ interests }) => interests.length > 0))
      this.#setResume({ resume, oldHistorySeq })
  }

  /** The client has said what it wants. */
  hasSubscribed(): void {
    if (this.state.resume !== null) this.#setResume({ resume: null, oldHistorySeq: undefined })
  }

  #setResume(resumed: Pick<ConnectionState, 'oldHistorySeq' | 'resume'>): void {
    this.#parts.connections.update(this, { ...this.state, ...resumed })
    this.sink.setResume(resumed)
  }

  override filterNow(): Filter {
    this.#channels.setTables(this.state)
    return this.filterOfChannels()
  }

  readTables(reader: TableReader): void {
    this.#steps.setTables(reader)
    this.#pump.run()
  }

  /** The filter that the connection needs for the channels that it has. */
  filterOfChannels(): Filter {
    return this.#channels.filter(this.state.id)
  }

  deliver(group: DeliveryGroup): void {
    for (const event of group.events) {
      for (const joined of this.#channels)
        if (joined.behindSeq === null && matchesFilter(joined.filter, event)) this.#push(joined, event)
    }
  }

  /** Sends what joined channels have missed. Does nothing if none has. */
  replay(): void {
    if (this.#channels.nextBehind() !== undefined) this.#pump.run()
  }

  /** Tells each channel the position of the log, so that a channel on which nothing comes can resume. */
  override sendPosition(): void {
    for (const joined of this.#channels) if (joined.behindSeq === null) this.#tellPosition(joined)
  }

  /** Returns the position of a sequence number, as the client gets it on the channel of this topic. */
  positionOn(topic: string, seq: number): string {
    const joined = this.#channels.get(topic)
    return joined === undefined ? this.#parts.log.position(seq) : this.#channels.positionOf(this.state, joined, seq)
  }

  /** The history of a channel is asked for when it is joined: nothing is read again later. */
  rewind(): void {}

  /** Each channel replays its own part: replayChannelOfOldShard. */
  replayOldShard(): void {}

  /** RIG's own events are no part of Phoenix: replies say the same. */
  send(): void {}

  reply(to: Message, reply: Reply): void {
    this.sink.send(encodeReply(this.vsn, to, reply))
  }

  /** Sends a message of the channel itself: phx_close, position, presence_state, presence_diff. */
  notify(channel: Pick<Channel, 'topic' | 'joinRef'>, event: string, payload: object): void {
    this.notifyJson(channel, event, JSON.stringify(payload))
  }

  notifyJson({ topic, joinRef }: Pick<Channel, 'topic' | 'joinRef'>, event: string, payload: string): void {
    const ref = event === 'phx_close' ? joinRef : null
    this.sink.send(encode(this.vsn, { joinRef, ref, topic, event }, payload))
  }

  /** Sends a presence state in steps: the first page replaces what the client knows, the others are added to it. */
  sendPages(channel: Channel, pages: PresencePageReader): void {
    this.#steps.addPages(channel, pages)
    this.#pump.run()
  }

  override sendOfTable(type: string, event: SystemEvent): void {
    const joined = this.#channels.ofTable(type)
    if (joined !== undefined) this.#push(joined, toStored(event, joined.behindSeq ?? this.#parts.log.committedSeq))
  }

  end(reason: RigelError): void {
    this.sink.close(reason)
  }

  override save(): void {
    this.sink.save(this.state)
  }

  removed(): void {
    this.#pump.stop()
    this.#onRemoved(this)
    this.#channels.deleteAll()
    this.sink.removed()
  }

  /** Returns whether there is more to send. */
  #sendNext(): boolean {
    const next = this.#steps.next()
    if (next.kind === 'gone') this.#parts.lifecycle.endSlow(this)
    if (next.kind === 'gone' || next.kind === 'nothing') return false
    if (next.kind === 'page') {
      if (next.page !== undefined) this.notifyJson(next.page.channel, next.page.event, next.page.payload)
    } else for (const { events, joined } of next.parts) for (const event of events) this.#push(joined, event)
    this.#noteReplaying()
    return this.#steps.hasNext
  }

  #tellPosition({ behindSeq, channel }: JoinedChannel): void {
    const position = this.positionOn(channel.topic, behindSeq ?? this.#parts.log.committedSeq)
    this.notify(channel, 'position', { last_event_id: position })
  }

  #noteReplaying(): void {
    const isReplaying = this.#channels.behindSeq !== Infinity
    if (isReplaying !== this.#isReplaying) this.sink.setReplaying(isReplaying)
    this.#isReplaying = isReplaying
  }

  #push(
    joined: JoinedChannel,
    event: StoredEvent,
    ref = this.#channels.positionOf(this.state, joined, event.seq),
  ): void {
    const { joinRef, naming, topic } = joined.channel
    const name = naming === 'type' ? nameOfType(event.type) : 'message'
    this.sink.send(encode(this.vsn, { joinRef, ref, topic, event: name }, event.json))
  }
}
