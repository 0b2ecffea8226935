// The words of interest: which shards want which event types. Spoken between shards, Directory and followers.

/** A change of what one shard wants. Changes are numbered by the Directory; a follower applies them in that order. */
export interface InterestChange {
  readonly version: number
  readonly shard: number
  readonly gained: readonly string[]
  readonly lost: readonly string[]
}

/** Everything the Directory knows at a version: what a follower starts from, or returns to after a missed change. */
export interface InterestSnapshot {
  readonly version: number
  readonly interests: readonly { readonly shard: number; readonly types: readonly string[] }[]
}
