// The log of the stand-in bridge for `npm test`, in memory. On command it does what a real one does: drops old records, creates
// topics anew, compacts, writes markers of transactions.
import type { AppendRecord, Backend, Read, StoredRecord } from './bridge-backend.ts'

interface Batch {
  readonly first: number
  readonly next: number
  /** None: a marker of a transaction, or all compacted. */
  records: readonly StoredRecord[]
}

class Partition {
  earliest = 0
  latest = 0
  batches: Batch[] = []
  waiting = new Set<() => void>()

  append(records: readonly AppendRecord[]): number {
    const first = this.latest
    const stored = records.map(({ headers = [], key, timestampMs = Date.now(), value }, index): StoredRecord => {
      return { offset: first + index, timestampMs, key, value, headers }
    })
    this.push({ first, next: first + records.length, records: stored })
    return first
  }

  push(batch: Batch): void {
    this.batches.push(batch)
    this.latest = batch.next
    for (const wake of this.waiting) wake()
    this.waiting.clear()
  }

  async wait(offset: number, waitMs: number): Promise<void> {
    if (offset !== this.latest || waitMs <= 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      this.waiting.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  read(offset: number, maxBytes: number): Read {
    if (offset < this.earliest || offset > this.latest) return { kind: 'out_of_range' }
    const records: StoredRecord[] = []
    let bytes = 0
    let next = offset
    for (const batch of this.batches.filter((one) => one.next > offset)) {
      const size = batch.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
      if (next > offset && bytes + size > maxBytes) break
      records.push(...batch.records)
      bytes += size
      next = batch.next
    }
    return { kind: 'records', records, next }
  }
}

export class MemoryBackend implements Backend {
  readonly #topics = new Map<string, Partition[]>()

  createTopic(topic: string, partitions: number): void {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => new Partition()),
    )
  }

  removeTopic(topic: string): void {
    this.#topics.delete(topic)
  }

  addPartitions(topic: string, partitions: number): void {
    const all = this.#topics.get(topic) ?? []
    while (all.length < partitions) all.push(new Partition())
  }

  /** Retention: what was before is gone. */
  trim(topic: string, partition: number, before: number): void {
    const at = this.#partition(topic, partition)
    at.earliest = before
    at.batches = at.batches.filter((batch) => batch.next > before)
  }

  /** Compaction: the batch stays, the record does not. */
  compact(topic: string, partition: number, offset: number): void {
    for (const batch of this.#partition(topic, partition).batches) {
      batch.records = batch.records.filter((record) => record.offset !== offset)
    }
  }

  /** The marker that ends a transaction. */
  mark(topic: string, partition: number): void {
    const at = this.#partition(topic, partition)
    at.push({ first: at.latest, next: at.latest + 1, records: [] })
  }

  async topics(): Promise<readonly string[]> {
    return [...this.#topics.keys()]
  }

  async partitions(topic: string): Promise<number | null> {
    return this.#topics.get(topic)?.length ?? null
  }

  async offsets(topic: string, partition: number) {
    const at = this.#topics.get(topic)?.[partition]
    return at === undefined ? null : { earliest: at.earliest, latest: at.latest }
  }

  async read(topic: string, partition: number, offset: number, limits: { waitMs: number; maxBytes: number }) {
    const at = this.#topics.get(topic)?.[partition]
    if (at === undefined) return { kind: 'unknown' } as const
    await at.wait(offset, limits.waitMs)
    return at.read(offset, limits.maxBytes)
  }

  async append(topic: string, partition: number, records: readonly AppendRecord[]): Promise<number> {
    return this.#partition(topic, partition).append(records)
  }

  #partition(topic: string, partition: number): Partition {
    const at = this.#topics.get(topic)?.[partition]
    if (at === undefined) throw new Error(`no partition ${topic}/${partition}`)
    return at
  }
}
