// Where a client that has a state as of some offsets reads on: the place in the shard's log after which everything beyond the
// state is, or that nobody can promise that. Pure. docs/state.md has the rules in words. Nothing is promised without proof:
// a shard stores only what concerns its clients, so that an event that it lacks may never have been sent to it.
import { topicOfPartition, type AsOf } from './as-of.ts'
import { isCoveredBy, type JoinStep, type Mark, type StoredUpTo } from './joins.ts'

/** What a follower says of its partition. */
export interface FollowedUpTo {
  readonly generation: number
  /** Nothing from here on has been routed yet. */
  readonly planned: number
  /** The offset that the next record will get; null: not known. */
  readonly latest: number | null
}

/** A place from which on the log has every event of a kind. */
export interface Since {
  readonly generation: number
  readonly offset: number
}

/** A row of the shard's log. */
export interface LogRow {
  /** Sequence number of its last event. */
  readonly position: number
  /** Null: its events are Rigel's own. */
  readonly partition: string | null
  readonly generation: number
  readonly lastOffset: number
}

/** What is known when a client joins. */
export interface JoinFacts {
  readonly asOf: AsOf
  /** The topics that are named and followed. */
  readonly topics: ReadonlySet<string>
  /** All partitions of them that are known. */
  readonly partitions: ReadonlySet<string>
  readonly followed: ReadonlyMap<string, FollowedUpTo>
  /** What the log has stored, by partition. */
  readonly stored: Readonly<Record<string, StoredUpTo>>
  /** From where on the log has all that the client may get of the partition; undefined: not known. */
  readonly sinceOf: (partition: string, generation: number) => number | undefined
  /** Rows of the log, newest first. */
  readonly rows: Iterable<LogRow>
  /** Sequence number that reading without a gap can begin at, at the earliest. */
  readonly floorSeq: number
  /** Sequence number of the newest event that clients have been sent. */
  readonly committedSeq: number
}

/** Where a client reads on, and what it is not sent. */
export interface Joined {
  readonly startSeq: number
  readonly step: Omit<JoinStep, 'before'>
}

/** Rows that one join may look at: an older state is reloaded. */
const MAX_ROWS_READ = 4_096

/** Returns undefined if events beyond the state may be missing: the client must load its state again. */
export function resolveAsOf(facts: JoinFacts): Joined | undefined {
  const marks = marksOf(facts)
  if (marks === undefined) return undefined
  const { committedSeq, sinceOf } = facts
  for (const [partition, [generation, offset]] of marks) {
    const since = sinceOf(partition, generation)
    if (since === undefined || offset + 1 < since) return undefined
  }
  const startSeq = findStart(facts, marks)
  if (startSeq === undefined) return undefined
  return { startSeq: Math.min(startSeq, committedSeq), step: stepOf(facts, marks, committedSeq) }
}

/**
 * Returns what a client is not sent that comes back with a position from before its state was passed; undefined if the state
 * is of no place that exists.
 */
export function resolveRejoin(facts: JoinFacts): Joined['step'] | undefined {
  const marks = marksOf(facts)
  return marks === undefined ? undefined : stepOf(facts, marks, 0)
}

/**
 * What is before the log's own end of a partition never comes again. That the follower is further is not enough: one that begins
 * anew at an older checkpoint sends the shard what it had not asked for at the first time.
 */
function stepOf({ stored }: JoinFacts, marks: ReadonlyMap<string, Mark>, untilSeq: number): Joined['step'] {
  const isAhead = ([partition, [generation, offset]]: readonly [string, Mark]) =>
    offset >= 0 && !hasStoredBeyond(stored[partition], generation, offset - 1)
  const ahead = [...marks].filter(isAhead).map(([partition]) => partition)
  return { untilSeq, marks: Object.fromEntries(marks), ahead }
}

/**
 * Undefined if a partition of a topic that is named is not, one that is named is not known, or an offset that is named does not exist: it is then of another
 * topic of the same name, or of an end that was cut off. Topics that are not followed have no part.
 */
function marksOf({ asOf, followed, partitions, stored, topics }: JoinFacts): ReadonlyMap<string, Mark> | undefined {
  const marks = new Map<string, Mark>()
  const named = [...asOf.keys()].filter((partition) => topics.has(topicOfPartition(partition)))
  if (named.some((partition) => !partitions.has(partition))) return undefined
  for (const partition of partitions) {
    const [offset, at] = [asOf.get(partition), followed.get(partition)]
    if (offset === undefined || at === undefined) return undefined
    // The follower's answer is older than what it has sent since.
    if ((stored[partition]?.[0] ?? 0) > at.generation) return undefined
    const exists = offset < at.planned || (at.latest !== null && offset < at.latest)
    if (!exists) return undefined
    marks.set(partition, [at.generation, offset])
  }
  return marks
}

/**
 * Returns the newest sequence number after which every event beyond the marks is. Undefined if some may have been dropped, or
 * are further back than MAX_ROWS_READ.
 */
function findStart({ committedSeq, floorSeq, rows, stored }: JoinFacts, marks: ReadonlyMap<string, Mark>) {
  /** Partitions with events beyond their mark, of which the oldest is still to be found. */
  const open = new Set(
    [...marks].filter(([name, [generation, offset]]) => hasStoredBeyond(stored[name], generation, offset)).map(first),
  )
  let start = committedSeq
  let isBeyond = false
  let read = 0
  for (const { generation, lastOffset, partition, position } of rows) {
    if (isBeyond) start = position
    isBeyond = false
    if (open.size === 0) return start
    if (read === MAX_ROWS_READ) return undefined
    read += 1
    const mark = partition === null ? undefined : marks.get(partition)
    if (partition === null || mark === undefined) continue
    if (isCoveredBy(mark, generation, lastOffset)) open.delete(partition)
    else isBeyond = true
  }
  // Nothing is older. What was dropped may have been beyond the marks that are still open.
  if (open.size > 0 && floorSeq > 0) return undefined
  return isBeyond ? floorSeq : start
}

function hasStoredBeyond(stored: StoredUpTo | undefined, generation: number, offset: number): boolean {
  return stored !== undefined && stored[0] === generation && stored[1] - 1 > offset
}

function first([partition]: readonly [string, Mark]): string {
  return partition
}
