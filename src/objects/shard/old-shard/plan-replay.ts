// Computes which part of its old shard's log a client still has to get. Pure. Used by admission, and for each poll.
import type { LogPlace, Position } from '../../../core/identity/position.ts'
import type { FilterSpec } from '../../../rpc/moved-history.ts'
import type { ConnectionState } from '../connections/connection-state.ts'
import type { OldShardReplay } from './old-shard-replay.ts'

/**
 * Plans the replay for a client that comes with a position of its old shard. What it had not subscribed to there is read from `openSeq` on.
 */
export function planReplay(
  state: ConnectionState,
  { epoch, openSeq, seq }: Pick<Position, 'epoch' | 'openSeq' | 'seq'>,
): OldShardReplay {
  if (!hasSubscribed(state) || openSeq === seq) return { from: { epoch, seq }, delivered: null, isLate: false }
  return { from: { epoch, seq: openSeq }, delivered: { filter: inferredOf(state), untilSeq: seq }, isLate: false }
}

/**
 * Plans the replay for a client that has come to this shard and dropped before it subscribed. Null: it has not subscribed
 * yet.
 */
export function planLateReplay(state: ConnectionState, openBefore: LogPlace): OldShardReplay | null {
  if (!hasSubscribed(state)) return null
  return { from: openBefore, delivered: { filter: inferredOf(state), untilSeq: Infinity }, isLate: true }
}

function hasSubscribed({ inferred, subscriptions }: ConnectionState): boolean {
  return subscriptions.length > inferred.length
}

function inferredOf({ inferred, owner }: ConnectionState): FilterSpec {
  return { user: owner.user, watched: [], subscriptions: inferred }
}

/** Returns the filter of a connection whose subscriptions are a set. */
export function specOf({ owner, subscriptions }: Pick<ConnectionState, 'owner' | 'subscriptions'>): FilterSpec {
  return { user: owner.user, watched: [], subscriptions }
}
