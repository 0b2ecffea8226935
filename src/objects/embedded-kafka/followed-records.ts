// The records of a partition for its follower: the newest from memory, older ones from the log. A record that was appended may
// not be durable yet: the runtime holds back the call to a shard until it is.
import type { LogRecord } from '../../core/events/kafka-record.ts'
import type { Fetched } from '../../kafka/kafka-log.ts'
import type { PartitionLog } from './partition-log.ts'
import { RecentRecords } from './recent-records.ts'

export class FollowedRecords {
  readonly #log: PartitionLog
  readonly #recent = new RecentRecords()
  /** Records before this offset were appended. */
  #end: number

  constructor(log: PartitionLog) {
    this.#log = log
    this.#end = log.offsets().latest
  }

  /** The offset after the last record. */
  get end(): number {
    return this.#end
  }

  /** These records, and all before them, are stored. */
  appended(records: readonly LogRecord[]): void {
    this.#recent.push(records)
    this.#end = (records.at(-1)?.offset ?? this.#end - 1) + 1
  }

  /** Records before `offset` are not asked for again. */
  dropBefore(offset: number): void {
    this.#recent.dropBefore(offset)
  }

  fetch(offset: number, maxBytes: number): Fetched {
    if (offset === this.#end) return { kind: 'records', records: [], next: offset }
    const recent = this.#recent.read(offset, maxBytes)
    if (recent !== undefined && recent.length > 0) return toFetched(recent, offset)
    const fetched = this.#log.read(offset, maxBytes)
    if (fetched.kind !== 'records') return fetched
    return toFetched(
      fetched.records.filter((record) => record.offset < this.#end),
      offset,
    )
  }
}

function toFetched(records: readonly LogRecord[], offset: number): Fetched {
  return { kind: 'records', records, next: (records.at(-1)?.offset ?? offset - 1) + 1 }
}
