// What a client's positions say besides a sequence number: from where it may still subscribe, that it is joining, which tables it
// has. Pure. ConnectionLifecycle makes positions with it.
import { withOpenBefore, withOpenSeq } from '../../../core/identity/position.ts'
import type { ConnectionState } from './connection-state.ts'
import { markOf } from './table-view.ts'

/** The part of a state that says whether its client may still ask for events that it missed. */
type Resumed = Pick<ConnectionState, 'inferred' | 'resume' | 'subscriptions'>

/**
 * Returns the sequence number after which a client may still get missed events, or null. It is part of the client's
 * positions until the client has subscribed, so that nothing is lost if it drops before that.
 */
export function openSeqOf({ inferred, resume, subscriptions }: Resumed, now: () => number): number | null {
  if (resume === null || subscriptions.length > inferred.length) return null
  return now() <= resume.untilMs ? resume.seq : null
}

/** Returns what is added to each of the client's positions: `-<openSeq>`, `~<position>` in the old shard's log, or nothing. */
export function openSuffixOf(state: Resumed, now: () => number): string {
  const openSeq = openSeqOf(state, now)
  if (openSeq === null || state.resume === null) return ''
  const { before } = state.resume
  return before === null ? withOpenSeq('', openSeq) : withOpenBefore('', before)
}

/** The client's positions say so: see Position.isJoining. */
export function isJoining({ joins }: ConnectionState): boolean {
  return joins !== undefined && joins.length > 0
}

/** What the positions of connections differ in: those with the same can be sent the same bytes. */
export function positionVariantOf(state: ConnectionState, now: () => number): string {
  const joining = isJoining(state) ? '*' : ''
  return `${joining}${openSuffixOf(state, now)}!${markOf(state)}`
}
