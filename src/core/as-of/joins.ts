// Decides which events a connection that joined at offsets is not sent, because the client's state has them. This is a
// part of the connection's Filter, so that live delivery, replay and polls agree. Pure. resolve-as-of.ts makes the
// joins.
import type { StoredEvent } from '../events/stored-event.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** The last event of a partition that the state has. Offsets are only comparable within one generation. */
export type StateOffset = readonly [generation: number, offset: number]

/** By `<topic>/<partition>`. */
type StateOffsets = Readonly<Record<string, StateOffset>>

/** One change of the subscriptions of a connection that has joined at offsets. Stored with the connection. */
export interface OffsetJoin {
  /**
   * The subscriptions before the join, to whose events it does not apply. Null: the first join, which applies to all.
   */
  readonly before: readonly Subscription[] | null
  /** Events of partitions that are not in `offsets` are sent if they are after this sequence number. */
  readonly untilSeq: number
  readonly offsets: StateOffsets
  /** The partitions that had not been followed up to their offset when the client joined. */
  readonly ahead: readonly string[]
}

/** A join, compiled for matching. `passedBefore` is null for a first join. */
export interface CompiledJoin extends Pick<OffsetJoin, 'untilSeq' | 'offsets'> {
  readonly passedBefore: ((event: StoredEvent) => boolean) | null
}

/** Returns whether the client's state has the event. The first join that applies decides; joins are newest first. */
export function isWithheld(joins: readonly CompiledJoin[], event: StoredEvent): boolean {
  for (const { offsets, passedBefore, untilSeq } of joins) {
    if (passedBefore?.(event) !== true) return isBeforeJoin(event, offsets, untilSeq)
  }
  return false
}

function isBeforeJoin({ offset, origin, seq }: StoredEvent, offsets: StateOffsets, untilSeq: number): boolean {
  // Rigel's own events come from no partition, so no state has them.
  if (origin === undefined || offset === undefined) return false
  const last = offsets[origin.partition]
  return last === undefined ? seq <= untilSeq : isInState(last, origin.generation, offset)
}

/** Returns whether the state has the event at `offset`. */
export function isInState([stateGeneration, stateOffset]: StateOffset, generation: number, offset: number): boolean {
  return generation < stateGeneration || (generation === stateGeneration && offset <= stateOffset)
}

/** A log has stored all events of a partition that it was sent and that are before `nextOffset` of this generation. */
export type StoredUpTo = readonly [generation: number, nextOffset: number, ...unknown[]]

/** Returns whether a log has passed all offsets that were ahead. Then no later event is withheld. */
export function hasPassed(joins: readonly OffsetJoin[], stored: Readonly<Record<string, StoredUpTo>>): boolean {
  return joins.every(({ ahead, offsets }) =>
    ahead.every((partition) => {
      const [last, at] = [offsets[partition], stored[partition]]
      if (last === undefined) return true
      return at !== undefined && (at[0] > last[0] || (at[0] === last[0] && at[1] > last[1]))
    }),
  )
}
