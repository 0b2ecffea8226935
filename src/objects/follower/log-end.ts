// Reads the end of a followed partition's log, for lag and progress. If the log does not answer in time, the end is
// not known.
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'

/** A log that is out of reach may take longer to fail. */
const LAG_TIMEOUT_MS = 2_000

export class LogEnd {
  readonly #log: KafkaLog
  readonly #at: TopicPartition

  constructor(log: KafkaLog, at: TopicPartition) {
    this.#log = log
    this.#at = at
  }

  /** Returns the number of records from `offset` to the end, or null. See `latest`. */
  async lag(offset: number): Promise<number | null> {
    const latest = await this.latest()
    return latest === null ? null : Math.max(0, latest - offset)
  }

  /** Null: the log does not answer, or its offsets are no numbers of records. */
  async latest(): Promise<number | null> {
    if (this.#log.numbersRecords === false) return null
    const { partition, topic } = this.#at
    const timeout = scheduler.wait(LAG_TIMEOUT_MS).then(() => null)
    const range = await Promise.race([this.#log.offsets(topic, partition).catch(() => null), timeout])
    return range?.latest ?? null
  }
}
