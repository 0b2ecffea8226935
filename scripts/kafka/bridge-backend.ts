// The log behind the stand-in bridge (bridge.ts): memory-backend.ts for `npm test`, kafka-backend.ts for a real Kafka. All bytes
// are base64, as in requests and responses.
export interface StoredHeader {
  readonly key: string
  readonly value: string
}

export interface StoredRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly StoredHeader[]
}

export interface AppendRecord {
  readonly key: string | null
  readonly value: string | null
  readonly headers?: readonly StoredHeader[]
  readonly timestampMs?: number
}

/** Whole batches, as a broker answers: the first may begin before the offset. Markers of transactions are left out. */
export type Read =
  | { readonly kind: 'records'; readonly records: readonly StoredRecord[]; readonly next: number }
  | { readonly kind: 'out_of_range' }
  | { readonly kind: 'unknown' }

export interface Backend {
  topics(): Promise<readonly string[]>
  /** How many; null: no such topic. */
  partitions(topic: string): Promise<number | null>
  offsets(topic: string, partition: number): Promise<{ readonly earliest: number; readonly latest: number } | null>
  /** Waits for something to read, `waitMs` at most; answers one batch at least, whatever its size. */
  read(topic: string, partition: number, offset: number, limits: { waitMs: number; maxBytes: number }): Promise<Read>
  /** As one batch. Answers the offset of the first. */
  append(topic: string, partition: number, records: readonly AppendRecord[]): Promise<number>
}
