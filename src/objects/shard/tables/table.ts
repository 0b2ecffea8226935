// What a shard knows of one of its tables. Its rows are in RecentRows.

/** `filling`: rows from before the shard wanted the type are missing. */
export type TableStatus = 'filling' | 'complete' | 'too_large'

export interface Table {
  readonly id: number
  readonly type: string
  /** Version of the shard map by which it was filled. */
  readonly mapVersion: number
  /** Names the filling of the table: of another one nothing counts. */
  readonly fillId: string
  /** Partitions that it has been filled from. */
  readonly filled: Set<string>
  status: TableStatus
  /**
   * Since when no connection has wanted it, in milliseconds since the epoch; null: one does, or none was looked for. Stored: a shard
   * without clients is asleep most of the time, and would count anew each time that it wakes.
   */
  unwantedMs: number | null
  /** From here on the log has what removals need. */
  sinceSeq: number
  /** Sums over the table, with the changes that are not written yet. They are stored with the rows, so that a start counts nothing. */
  rows: number
  bytes: number
}
