// The newest records of a partition in memory, so that its follower need not read records that were just written. Pure.
// Bounded: a follower that is further behind reads the log.
import type { LogRecord } from '../../core/events/kafka-record.ts'
import { sizeOf } from '../../rpc/embedded-kafka.ts'

/** What a follower that keeps up has in memory at most. A partition's object has 128 MB, shared with others. */
const MAX_BYTES = 4 * 1_048_576

export class RecentRecords {
  #records: LogRecord[] = []
  #bytes = 0

  /** Records must follow the ones before. */
  push(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record)
      this.#bytes += sizeOf(record)
    }
    if (this.#bytes > MAX_BYTES) this.#clear()
  }

  /** Returns records from `offset` on, at most `maxBytes` of them but at least one; undefined if they are not all here. */
  read(offset: number, maxBytes: number): readonly LogRecord[] | undefined {
    const start = offset - (this.#records[0]?.offset ?? Infinity)
    if (start < 0) return undefined
    let bytes = 0
    const end = this.#records.findIndex((record, index) => {
      if (index < start) return false
      bytes += sizeOf(record)
      return index > start && bytes > maxBytes
    })
    return this.#records.slice(start, end === -1 ? undefined : end)
  }

  /** Forgets records before `offset`: they were followed. */
  dropBefore(offset: number): void {
    const index = this.#records.findIndex((record) => record.offset >= offset)
    if (index === -1) return this.#clear()
    for (const record of this.#records.splice(0, index)) this.#bytes -= sizeOf(record)
  }

  #clear(): void {
    this.#records = []
    this.#bytes = 0
  }
}
