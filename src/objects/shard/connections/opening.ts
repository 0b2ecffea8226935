// Makes the record of a connection that is about to be opened, and what its client is sent first, from what admission has
// found out. Pure.
import { parsePosition } from '../../../core/identity/position.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import { createFilter } from '../../../core/subscriptions/filter.ts'
import type { HistoryPlace } from '../log/history.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { planReplay, planLateReplay } from '../old-shard/plan-replay.ts'
import type { JoinPlace } from '../subscriptions/as-of-joins.ts'
import { resumeAt, type ConnectionState, type Opening, type Resume, type Term } from './connection-state.ts'
import { tablesFor } from './table-view.ts'
import { openSeqOf } from '../positions/client-positions.ts'
import type { Resumption } from '../positions/resumption.ts'

/** What admission has found out about a client. */
interface Found {
  readonly term: Term
  /** Where its position is. */
  readonly place: Resumption
  /** Where a client that asked by time begins. Null: it did not. */
  readonly since: HistoryPlace | null
  /** Where the state that it has ends. */
  readonly joined: JoinPlace
  /** See ConnectionState. Undefined: nothing restricts what is history. */
  readonly historySeq: number | undefined
  /** It has its tables up to its position. */
  readonly hasTables: boolean
}

/** The moment at which a connection is opened. */
interface Now {
  readonly id: string
  readonly nowMs: number
  readonly committedSeq: number
}

export function openingOf(connect: ConnectRequest, found: Found, now: Now): Opening {
  const { lastEventId, subscriptions } = connect
  const { joined, since } = found
  const place: Resumption = joined.isGap ? { kind: 'gap' } : found.place
  const tables = tablesFor(subscriptions, found.hasTables && place.kind === 'own')
  const begun: ConnectionState = {
    ...stateOf(connect, found.term, place, now),
    ...(tables && { tables }),
  }
  const opened = withHistory(withJoin(begun, joined), found)
  const oldShardReplay = oldShardReplayOf(opened, place)
  const state = oldShardReplay === null ? opened : { ...opened, pinned: lastEventId }
  const recovered = isRecovered(connect, found)
  return { connect, recovered, since, state, rewind: rewindOf(state), oldShardReplay }
}

/** Returns whether all events since the client's position or state will come; null: it has none. */
function isRecovered(
  { asOf, lastEventId, sinceMs = 0 }: ConnectRequest,
  { joined, place, since }: Found,
): boolean | null {
  // To a client that asks for everything, `completeSinceMs` says what that is.
  if (lastEventId === null && asOf === undefined && sinceMs === 0) return null
  if (joined.isGap) return false
  return (lastEventId === null && since === null) || (place.kind !== 'gap' && place.isCovered)
}

function stateOf(
  connect: ConnectRequest,
  term: Term,
  found: Resumption,
  { committedSeq, id, nowMs }: Now,
): ConnectionState {
  const { user, session, expSeconds } = connect.principal
  return {
    ...term,
    id,
    transport: connect.transport,
    owner: { user, sessions: session === null ? [] : [session], openedAtMs: nowMs, metadata: {} },
    hasToken: expSeconds !== null || user !== null,
    atPosition: connect.atPosition === true,
    subscriptions: connect.subscriptions,
    inferred: connect.inferred ?? [],
    startSeq: found.kind === 'own' ? found.seq : committedSeq,
    pinned: null,
    resume: resumeOf(found, committedSeq, nowMs, parsePosition(connect.lastEventId ?? '')?.mark),
    claimedBy: null,
    grantEndsAtMs: null,
    phoenix: connect.phoenix ?? null,
    ...(connect.grant === undefined ? {} : { grant: connect.grant }),
  }
}

function withJoin(state: ConnectionState, { joins, startSeq }: JoinPlace): ConnectionState {
  return { ...state, joins, startSeq: startSeq ?? state.startSeq }
}

function withHistory(state: ConnectionState, { historySeq, place }: Found): ConnectionState {
  const oldHistorySeq = place.kind === 'gap' ? undefined : place.oldSinceSeq
  return {
    ...state,
    ...(historySeq === undefined || historySeq === state.startSeq ? {} : { historySeq }),
    ...(oldHistorySeq === undefined ? {} : { oldHistorySeq }),
  }
}

function resumeOf(found: Resumption, committedSeq: number, nowMs: number, mark?: string): Resume | null {
  if (found.kind === 'gap') return null
  if (found.kind === 'own') return resumeAt(found.openSeq, found.openBefore, nowMs, mark)
  return resumeAt(committedSeq, { epoch: found.from.epoch, seq: found.openSeq }, nowMs)
}

function oldShardReplayOf(state: ConnectionState, found: Resumption): OldShardReplay | null {
  if (found.kind === 'own') return found.openBefore === null ? null : planLateReplay(state, found.openBefore)
  return found.kind === 'old' ? planReplay(state, { ...found.from, openSeq: found.openSeq }) : null
}

/** A client that dropped before it subscribed, and subscribes as it reconnects, gets the events that it missed. */
function rewindOf(state: ConnectionState): Opening['rewind'] {
  const { id, inferred, owner, resume, startSeq } = state
  if (resume === null || resume.before !== null || resume.seq === startSeq || openSeqOf(state, () => 0) !== null)
    return null
  return { seq: resume.seq, before: createFilter(id, owner.user, inferred) }
}
