// Where in a shard's log: `<epoch>-<seq>`, the same on every transport; SSE's `id`. The epoch is `<shard>.<life>`: it
// names the shard, so that a nameless client comes back to its log, and the life of that log, so that a position of
// another life is recognised and never silently taken for one of this.

export interface Position {
  readonly epoch: string
  /** Sequence number of the last event seen; 0: none yet. */
  readonly seq: number
}

const POSITION = /^(\d{1,6}\.[0-9a-z]{1,32})-(\d{1,15})$/

export function formatPosition(epoch: string, seq: number): string {
  return `${epoch}-${seq}`
}

/** Undefined for anything that is no position of ours: the caller says so to the client, and goes on live. */
export function parsePosition(text: string): Position | undefined {
  const match = POSITION.exec(text)
  if (!match?.[1] || !match[2]) return undefined
  return { epoch: match[1], seq: Number(match[2]) }
}

/** The shard that a position is of. */
export function shardOfPosition(position: Position): number {
  return Number(position.epoch.slice(0, position.epoch.indexOf('.')))
}
