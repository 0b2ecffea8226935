// A connection as the shard sees it, whatever its transport: a record, a filter, and a place to write to. The transports
// extend BaseConnection by how they write.
import type { DeliveryGroup } from '../../../core/delivery/delivery-groups.ts'
import type { ConnectionProgress } from '../../../core/explain/explain-connection.ts'
import type { Filter } from '../../../core/subscriptions/filter.ts'
import type { RigelError } from '../../../core/errors.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import type { TypeRules } from '../../../core/rules/type-rules.ts'
import { filterOf, type ConnectionState } from './connection-state.ts'
import type { SystemEvent } from '../system-events.ts'
import type { TableReader } from '../tables/table-reader.ts'

export interface Connection {
  /** Replaced by the ConnectionRegistry only, which indexes what has changed. */
  state: ConnectionState
  /** Replaced by the ConnectionRegistry only: the subscription index must not hold the connection meanwhile. */
  filter: Filter
  /** The client has been told that its token is about to expire. */
  isWarned: boolean
  /** The runtime holds back what is written to it until storage has what was written before (output gate). */
  readonly isGated: boolean
  /** False if its subscriptions are not a set that a client replaces (Phoenix: a client joins channels). */
  readonly takesSubscriptions: boolean
  /** How far its client is. */
  readonly progress: ConnectionProgress
  /** Returns whether everything up to `seq` has been written, or will be before what is written from now on. */
  hasBeenSent(seq: number): boolean
  /** Bytes that were written and that the client has not taken yet. */
  readonly bufferedBytes: number
  /** Writes events that have been committed and pass the filter. A connection that is behind reads them from the log later. */
  deliver(events: DeliveryGroup): void
  /** Reads the log again from `seq`, for events that pass the new filter and did not pass the filter `before`. */
  rewind(seq: number, before: Filter): void
  /** Returns the filter that the connection has with its state. */
  filterNow(rules: TypeRules | null): Filter
  /** Sends what the client missed at its old shard, before what comes here. */
  replayOldShard(replay: OldShardReplay): void
  /** Sends tables when everything before has been sent. Replaces a reader that has not been read to its end. */
  readTables(reader: TableReader): void
  /** Sends an event about a table. */
  sendOfTable(type: string, event: SystemEvent): void
  /** Sends one of Rigel's own events. */
  send(event: SystemEvent): void
  /** Sends the events that greet its client, oldest first, in as few writes as the transport needs. */
  greet(events: readonly SystemEvent[]): void
  /** Writes something that the client ignores, if the transport has such a thing: the write fails if the client is gone. */
  probe(): void
  /** Tells a quiet client the position of the log, if the transport has a way to. */
  sendPosition(): void
  /** Closes it, with the reason. The ConnectionLifecycle then removes it. */
  end(reason: RigelError): void
  /** Keeps what a check service is asked with, if its client can subscribe in-band. Before `save`. See `keptAuthorization`. */
  keepAuthorization(authorization: string | null | undefined): void
  /** Writes its state to storage, if the connection outlives the object's memory. */
  save(): void
  /** Called once it is no longer registered, for whatever reason. */
  removed(): void
}

export abstract class BaseConnection implements Connection {
  state: ConnectionState
  filter: Filter
  isWarned = false
  readonly isGated: boolean = true
  readonly takesSubscriptions: boolean = true

  constructor(state: ConnectionState, filter: Filter) {
    this.state = state
    this.filter = filter
  }

  abstract readonly bufferedBytes: number
  abstract readonly progress: ConnectionProgress
  abstract deliver(events: DeliveryGroup): void
  abstract rewind(seq: number, before: Filter): void
  abstract replayOldShard(replay: OldShardReplay): void
  abstract readTables(reader: TableReader): void
  abstract send(event: SystemEvent): void
  abstract end(reason: RigelError): void
  abstract removed(): void

  filterNow(rules: TypeRules | null): Filter {
    return filterOf(this.state, rules)
  }

  sendOfTable(_type: string, event: SystemEvent): void {
    this.send(event)
  }

  greet(events: readonly SystemEvent[]): void {
    for (const event of events) this.send(event)
  }

  hasBeenSent(seq: number): boolean {
    return this.progress.writtenSeq >= seq
  }

  probe(): void {}

  keepAuthorization(_authorization: string | null | undefined): void {}

  sendPosition(): void {}

  save(): void {}
}
