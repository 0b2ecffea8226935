// Decides which events a connection that joined at offsets is not sent, because the client's state has them. This is a
// part of the connection's Filter, so that live delivery, replay and polls agree. Pure. resolve-as-of.ts makes the
// marks.
import type { StoredEvent } from '../events/stored-event.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** The last event of a partition that the state has. Offsets are only comparable within one generation. */
export type Mark = readonly [generation: number, offset: number]

/** `<topic>/<partition>` → mark. */
type Marks = Readonly<Record<string, Mark>>

/** One change of the subscriptions of a connection that has joined at offsets. Stored with the connection. */
export interface JoinStep {
  /**
   * The subscriptions before the step, to whose events it does not apply. Null: the first step, which applies to all.
   */
  readonly before: readonly Subscription[] | null
  /** Events of partitions without a mark are sent if they are after this sequence number. */
  readonly untilSeq: number
  readonly marks: Marks
  /** The partitions of `marks` that had not been followed up to their mark when the client joined. */
  readonly ahead: readonly string[]
}

/** A step, compiled for matching. `passedBefore` is null for a first step. */
export interface CompiledJoin extends Pick<JoinStep, 'untilSeq' | 'marks'> {
  readonly passedBefore: ((event: StoredEvent) => boolean) | null
}

/** Returns whether the client's state has the event. The first step that applies decides; steps are newest first. */
export function isWithheld(steps: readonly CompiledJoin[], event: StoredEvent): boolean {
  for (const { marks, passedBefore, untilSeq } of steps) {
    if (passedBefore?.(event) !== true) return isBeforeJoin(event, marks, untilSeq)
  }
  return false
}

function isBeforeJoin({ offset, origin, seq }: StoredEvent, marks: Marks, untilSeq: number): boolean {
  // Rigel's own events come from no partition, so no state has them.
  if (origin === undefined || offset === undefined) return false
  const mark = marks[origin.partition]
  return mark === undefined ? seq <= untilSeq : isCoveredBy(mark, origin.generation, offset)
}

/** Returns whether a state with this mark has the event at `offset`. */
export function isCoveredBy([markedGeneration, markedOffset]: Mark, generation: number, offset: number): boolean {
  return generation < markedGeneration || (generation === markedGeneration && offset <= markedOffset)
}

/** A log has stored all events of a partition that it was sent and that are before `nextOffset` of this generation. */
export type StoredUpTo = readonly [generation: number, nextOffset: number, ...unknown[]]

/** Returns whether a log has passed all marks that were ahead. Then no later event is withheld. */
export function hasPassed(steps: readonly JoinStep[], stored: Readonly<Record<string, StoredUpTo>>): boolean {
  return steps.every(({ ahead, marks }) =>
    ahead.every((partition) => {
      const [mark, at] = [marks[partition], stored[partition]]
      if (mark === undefined) return true
      return at !== undefined && (at[0] > mark[0] || (at[0] === mark[0] && at[1] > mark[1]))
    }),
  )
}
