// Finds where a client whose state is as of some offsets continues: the place in the shard's log after which are all
// events beyond the state. There is none if events may be missing: a shard stores only what concerns its clients, so
// an event that its log does not have may never have been sent to it. Pure. docs/state.md has the rules.
import { topicOfPartition, type AsOf } from './as-of.ts'
import { isInState, type OffsetJoin, type StateOffset, type StoredUpTo } from './joins.ts'

/** How far a follower has routed its partition. */
export interface FollowedUpTo {
  readonly generation: number
  /** No record at or after this offset has been routed. */
  readonly planned: number
  /** The offset that the next record will get; null: not known. */
  readonly latest: number | null
}

/** The log has every event of a kind from this offset on. */
export interface Since {
  readonly generation: number
  readonly offset: number
}

/** A row of the shard's log. */
export interface LogRow {
  /** Sequence number of its last event. */
  readonly position: number
  /** Null: the row has Rigel's own events. */
  readonly partition: string | null
  readonly generation: number
  readonly lastOffset: number
}

/** What is known when a client joins. */
export interface JoinFacts {
  readonly asOf: AsOf
  /** The topics that `asOf` names and Rigel follows. */
  readonly topics: ReadonlySet<string>
  /** All known partitions of these topics. */
  readonly partitions: ReadonlySet<string>
  readonly followed: ReadonlyMap<string, FollowedUpTo>
  /** What the log has stored, by partition. */
  readonly stored: Readonly<Record<string, StoredUpTo>>
  /** Returns the offset from which on the log has all events that the client may get; undefined: not known. */
  readonly sinceOf: (partition: string, generation: number) => number | undefined
  /** Rows of the log, newest first. */
  readonly rows: Iterable<LogRow>
  /** The lowest sequence number from which the log can be read without a gap. */
  readonly floorSeq: number
  /** Sequence number of the newest event that clients have been sent. */
  readonly committedSeq: number
}

/** Where a client continues, and what it is not sent. */
export interface Joined {
  readonly startSeq: number
  readonly join: Omit<OffsetJoin, 'before'>
}

/** Limit of rows that one join reads. A client whose state is older has to load it again. */
const MAX_ROWS_READ = 4_096

/** Returns undefined if events beyond the state may be missing: the client must load its state again. */
export function resolveAsOf(facts: JoinFacts): Joined | undefined {
  const offsets = stateOffsetsOf(facts)
  if (offsets === undefined) return undefined
  const { committedSeq, sinceOf } = facts
  for (const [partition, [generation, offset]] of offsets) {
    const since = sinceOf(partition, generation)
    if (since === undefined || offset + 1 < since) return undefined
  }
  const startSeq = findStart(facts, offsets)
  if (startSeq === undefined) return undefined
  return { startSeq: Math.min(startSeq, committedSeq), join: joinOf(facts, offsets, committedSeq) }
}

/**
 * Returns what is not sent to a client that returns with a position from before the log passed its state. Undefined if
 * an offset of the state does not exist.
 */
export function resolveRejoin(facts: JoinFacts): Joined['join'] | undefined {
  const offsets = stateOffsetsOf(facts)
  return offsets === undefined ? undefined : joinOf(facts, offsets, 0)
}

/**
 * A partition is ahead until the shard's own log has stored its offset. That the follower has routed it is not
 * enough: a follower that restarts at an older checkpoint may send the shard events that the shard did not want the
 * first time.
 */
function joinOf({ stored }: JoinFacts, offsets: ReadonlyMap<string, StateOffset>, untilSeq: number): Joined['join'] {
  const isAhead = ([partition, [generation, offset]]: readonly [string, StateOffset]) =>
    offset >= 0 && !hasStoredBeyond(stored[partition], generation, offset - 1)
  const ahead = [...offsets].filter(isAhead).map(([partition]) => partition)
  return { untilSeq, offsets: Object.fromEntries(offsets), ahead }
}

/**
 * Returns the offset of the state for each partition. Undefined if a partition of a named topic is not named, if a named
 * partition is not known, or if a named offset does not exist, because the topic was created again or its end was cut
 * off. Ignores topics that are not followed.
 */
function stateOffsetsOf({
  asOf,
  followed,
  partitions,
  stored,
  topics,
}: JoinFacts): ReadonlyMap<string, StateOffset> | undefined {
  const offsets = new Map<string, StateOffset>()
  const named = [...asOf.keys()].filter((partition) => topics.has(topicOfPartition(partition)))
  if (named.some((partition) => !partitions.has(partition))) return undefined
  for (const partition of partitions) {
    const [offset, at] = [asOf.get(partition), followed.get(partition)]
    if (offset === undefined || at === undefined) return undefined
    // The follower's answer is outdated: it has begun a new generation since.
    if ((stored[partition]?.[0] ?? 0) > at.generation) return undefined
    const exists = offset < at.planned || (at.latest !== null && offset < at.latest)
    if (!exists) return undefined
    offsets.set(partition, [at.generation, offset])
  }
  return offsets
}

/**
 * Returns the newest sequence number before all events beyond the state. Undefined if retention may have dropped such
 * events, or if they are more than MAX_ROWS_READ rows back.
 */
function findStart({ committedSeq, floorSeq, rows, stored }: JoinFacts, offsets: ReadonlyMap<string, StateOffset>) {
  /** Partitions with events beyond the state, the oldest of which has not been found yet. */
  const open = new Set(
    [...offsets].filter(([name, [generation, offset]]) => hasStoredBeyond(stored[name], generation, offset)).map(first),
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
    const last = partition === null ? undefined : offsets.get(partition)
    if (partition === null || last === undefined) continue
    if (isInState(last, generation, lastOffset)) open.delete(partition)
    else isBeyond = true
  }
  // All rows were read. Events that retention has dropped may have been beyond the state in the open partitions.
  if (open.size > 0 && floorSeq > 0) return undefined
  return isBeyond ? floorSeq : start
}

function hasStoredBeyond(stored: StoredUpTo | undefined, generation: number, offset: number): boolean {
  return stored !== undefined && stored[0] === generation && stored[1] - 1 > offset
}

function first([partition]: readonly [string, StateOffset]): string {
  return partition
}
