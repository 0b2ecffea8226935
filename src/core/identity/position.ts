// A position in a shard's log: `<epoch>-<seq>`, the same on every transport; SSE's `id`. The epoch is `<shard>.<log>`: the
// shard, so that an anonymous client finds its log again, and an id that is made with the log, so that a position of a log
// that was lost is recognised. Pure; used by the Worker and the shards.

/** A place in one shard's log. */
export interface LogPlace {
  readonly epoch: string
  readonly seq: number
}

/**
 * A position in a shard's log, parsed: `<shard>.<log>-<seq>[-<openSeq>][~<shard>.<log>-<seq>][.<proof>[.<since>]][*][!<mark>]`.
 */
export interface Position {
  readonly epoch: string
  /** Sequence number of the last event that was received; 0: none yet. */
  readonly seq: number
  /** From here on the client may still ask for events that it has not subscribed to yet. Usually equals `seq`. */
  readonly openSeq: number
  /** The same in the log of the shard that the client came from, while the number of shards changes. Usually null. */
  readonly openBefore: LogPlace | null
  /** `*`: its client joined at offsets that it has not passed. It has to name them again, or would get what it has. */
  readonly isJoining: boolean
  /** Which tables its client has up to here: see tables/table-mark.ts. Absent: none, or not the whole of them. */
  readonly mark?: string
  /** That a shard has given the position to a client. Absent: it may be made up. */
  readonly proof?: PositionProof
}

/** See objects/shard/positions/position-proofs.ts. */
interface PositionProof {
  /** What was signed: the position up to `openBefore`. */
  readonly body: string
  readonly signature: string
  /** Its client came after this sequence number: what is stored up to there is history to it. Undefined: `openSeq`. */
  readonly sinceSeq: number | undefined
}

const POSITION =
  /^(\d{1,10}\.[0-9a-z]{1,32})-(\d{1,15})(?:-(\d{1,15}))?(?:~(\d{1,10}\.[0-9a-z]{1,32})-(\d{1,15}))?(?:\.([0-9a-f]{16})(?:\.(\d{1,15}))?)?(\*)?(?:!([0-9a-z]{1,16}))?$/

/** Returns the position as clients see it. */
export function formatPosition(epoch: string, seq: number): string {
  return `${epoch}-${seq}`
}

/** Adds `openSeq` to a position: a client that comes back with it can still ask for what followed `openSeq`. */
export function withOpenSeq(position: string, openSeq: number): string {
  return `${position}-${openSeq}`
}

/** Adds a proof to a position, before it is marked. `sinceSeq`: see PositionProof. */
export function withProof(position: string, signature: string, sinceSeq?: number): string {
  return `${position}.${signature}${sinceSeq === undefined ? '' : `.${sinceSeq}`}`
}

/** Marks a position: see Position.isJoining. */
export function asJoining(position: string): string {
  return `${position}*`
}

/** Adds `mark` to a position. */
export function withMark(position: string, mark: string): string {
  return `${position}!${mark}`
}

/** Adds `openBefore` to a position. */
export function withOpenBefore(position: string, { epoch, seq }: LogPlace): string {
  return `${position}~${formatPosition(epoch, seq)}`
}

/** Returns undefined if the text is no position: the caller tells the client of a gap, and delivers from now on. */
export function parsePosition(text: string): Position | undefined {
  const match = POSITION.exec(text)
  if (!match?.[1] || !match[2]) return undefined
  const seq = Number(match[2])
  const openBefore = match[4] === undefined ? null : { epoch: match[4], seq: Number(match[5]) }
  const openSeq = Math.min(seq, Number(match[3] ?? seq))
  const mark = match[9] === undefined ? {} : { mark: match[9] }
  return { epoch: match[1], seq, openSeq, openBefore, isJoining: match[8] === '*', ...mark, ...proofOf(match) }
}

function proofOf([text, , , , , , signature, since]: RegExpExecArray): Pick<Position, 'proof'> {
  if (signature === undefined) return {}
  const body = text.slice(0, text.lastIndexOf(`.${signature}`))
  return { proof: { body, signature, sinceSeq: since === undefined ? undefined : Number(since) } }
}

/** Returns the shard whose log the position is in. */
export function shardOfPosition({ epoch }: Pick<Position, 'epoch'>): number {
  return Number(epoch.slice(0, epoch.indexOf('.')))
}
