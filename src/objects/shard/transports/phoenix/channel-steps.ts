// What the channels of a Phoenix connection are sent next: presence states that they asked for, then what they missed in the
// shard's log, then tables. Each channel has a place in the log of its own. phoenix-connection.ts writes it, in steps.
import type { StoredEvent } from '../../../../core/events/stored-event.ts'
import { createFilter } from '../../../../core/subscriptions/filter.ts'
import { readNextChunk, type History } from '../../log/replay.ts'
import type { TableReader } from '../../tables/table-reader.ts'
import { EVENTS, type Channel } from './channel.ts'
import type { JoinedChannel, JoinedChannels } from './joined-channels.ts'
import type { PresencePageReader } from './presence/presence-copy.ts'
import { PresencePages, type PresencePage } from './presence/presence-pages.ts'

/** Events of one channel. */
interface ChannelEvents {
  readonly joined: JoinedChannel
  readonly events: readonly StoredEvent[]
}

type ChannelStep =
  /** Undefined: the state has ended. */
  | { readonly kind: 'page'; readonly page: PresencePage | undefined }
  | { readonly kind: 'events'; readonly parts: readonly ChannelEvents[] }
  | { readonly kind: 'nothing' }
  /** What a channel was to be sent does not exist any more. */
  | { readonly kind: 'gone' }

const NOTHING = { kind: 'nothing' } as const
const GONE = { kind: 'gone' } as const

/** The filter of a channel that has been left. */
const NO_FILTER = createFilter('', null, [])

export class ChannelSteps {
  readonly #channels: JoinedChannels
  readonly #log: History
  readonly #pages = new PresencePages()
  /** Tables that are sent once everything before has been. */
  #tables: TableReader | undefined

  constructor(channels: JoinedChannels, log: History) {
    this.#channels = channels
    this.#log = log
  }

  /** Whether `next` has something. */
  get hasNext(): boolean {
    return !this.#pages.isEmpty || this.#tables !== undefined || this.#channels.nextBehind() !== undefined
  }

  addPages(channel: Channel, pages: PresencePageReader): void {
    this.#pages.push(channel, pages)
  }

  setTables(reader: TableReader): void {
    this.#tables = reader
  }

  /** A channel has been left. If it was joined again, it must not be told of a table whose rows the channel before it had. */
  left(topic: string): void {
    if (this.#tables?.types.some((type) => topic === `${EVENTS}${type}`) === true) this.#tables = undefined
  }

  /** What comes for these channels meanwhile waits in the log. */
  next(): ChannelStep {
    if (!this.#pages.isEmpty) return this.#nextPage()
    const behind = this.#channels.nextBehind()
    if (this.#tables !== undefined && (this.#tables.untilSeq !== undefined || behind === undefined))
      return this.#nextOfTables(this.#tables)
    return behind === undefined ? NOTHING : this.#nextOfLog(behind)
  }

  #nextPage(): ChannelStep {
    const page = this.#pages.next((channel) => this.#channels.get(channel.topic)?.channel === channel)
    return page === 'dropped' ? GONE : { kind: 'page', page }
  }

  #nextOfTables(tables: TableReader): ChannelStep {
    if (tables.untilSeq === undefined) this.#beginTables(tables)
    const filter = this.#channels.ofTable(tables.type)?.filter ?? NO_FILTER
    const parts = tables.next(filter).flatMap(({ events, type }) => {
      const joined = this.#channels.ofTable(type)
      return joined === undefined ? [] : [{ joined, events }]
    })
    if (tables.isRead) this.#tables = undefined
    return { kind: 'events', parts }
  }

  #beginTables(tables: TableReader): void {
    const { committedSeq } = this.#log
    tables.begin(committedSeq)
    for (const type of tables.types) {
      const joined = this.#channels.ofTable(type)
      if (joined !== undefined) joined.behindSeq ??= committedSeq
    }
  }

  #nextOfLog(joined: JoinedChannel): ChannelStep {
    const chunk = readNextChunk(this.#log, joined.filter, joined.behindSeq ?? this.#log.committedSeq)
    if (chunk.kind === 'trimmed') return GONE
    joined.behindSeq = chunk.atEnd ? null : chunk.seq
    return { kind: 'events', parts: [{ joined, events: chunk.events }] }
  }
}
