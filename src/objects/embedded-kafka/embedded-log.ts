// EmbeddedLog: the Durable Object that is one topic-partition of the embedded log. Appends, fetches that may wait, and
// waking the follower. Its door is door.ts; embedded-kafka-log.ts calls it.
import { DurableObject } from 'cloudflare:workers'
import { configOf, followedTopics } from '../../config/parse-config.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { followerStub } from '../../rpc/follower.ts'
import type { Appended, AppendRecord, KeyedRecord } from '../../rpc/embedded-kafka.ts'
import type { Fetched, FetchLimits, OffsetRange } from '../../kafka/kafka-log.ts'
import { PartitionLog } from './partition-log.ts'

/** A follower that could not be woken is tried again after this long, by alarm. */
const WAKE_RETRY_MS = 1_000

export class EmbeddedLog extends DurableObject<Env> {
  readonly #config = configOf(this.env)
  readonly #at: TopicPartition = parseName(this.ctx.id.name ?? '')
  readonly #log = new PartitionLog(this.ctx.storage, this.#at, this.#config.kafka.embedded)
  /** Fetches at the end of the log, each with its own timer: there is none while nobody waits. */
  readonly #waiting = new Set<() => void>()
  /** `again`: something was appended since the wake under way began. */
  #wake: 'none' | 'under_way' | 'again' = 'none'

  /** Answers the offset of the first; the others follow. Durable when it resolves. */
  append(records: readonly AppendRecord[]): number {
    const first = this.#log.append(records, Date.now())
    this.#tell()
    return first
  }

  /** As `append`, but that records whose key is known are left out. Answers the place of each. */
  appendOnce(records: readonly KeyedRecord[]): readonly Appended[] {
    const places = this.#log.appendOnce(records, Date.now())
    if (places.some(({ duplicate }) => !duplicate)) this.#tell()
    return places
  }

  async read(offset: number, { maxWaitMs, maxBytes }: FetchLimits): Promise<Fetched> {
    const fetched = this.#log.read(offset, maxBytes)
    if (fetched.kind !== 'records' || fetched.records.length > 0 || maxWaitMs <= 0) return fetched
    await this.#nextAppend(maxWaitMs)
    return this.#log.read(offset, maxBytes)
  }

  offsets(): OffsetRange {
    return this.#log.offsets()
  }

  offsetAt(timestampMs: number): number {
    return this.#log.offsetAt(timestampMs)
  }

  override async alarm(): Promise<void> {
    await this.#wakeFollower()
  }

  #tell(): void {
    for (const answer of this.#waiting) answer()
    if (followedTopics(this.#config).includes(this.#at.topic)) this.ctx.waitUntil(this.#wakeFollower())
  }

  #nextAppend(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const answer = () => {
        clearTimeout(timer)
        this.#waiting.delete(answer)
        resolve()
      }
      const timer = setTimeout(answer, maxWaitMs)
      this.#waiting.add(answer)
    })
  }

  /** One call at a time, however many appends: the follower reads to the end of the log. A wake is never lost: it is tried until it succeeds. */
  async #wakeFollower(): Promise<void> {
    if (this.#wake !== 'none') {
      this.#wake = 'again'
      return
    }
    try {
      do {
        this.#wake = 'under_way'
        await followerStub(this.env, this.#at).nudge()
      } while (this.#wakeAgain())
    } catch (error) {
      console.warn({ message: 'follower not woken, to be tried again', ...this.#at, error: String(error) })
      await this.ctx.storage.setAlarm(Date.now() + WAKE_RETRY_MS)
    } finally {
      this.#wake = 'none'
    }
  }

  /** Read through a method: the state changes while a nudge is awaited. */
  #wakeAgain(): boolean {
    return this.#wake === 'again'
  }
}

function parseName(name: string): TopicPartition {
  const slash = name.lastIndexOf('/')
  return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) }
}
