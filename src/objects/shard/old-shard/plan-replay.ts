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
  const common = { historySeq: oldHistoryOf(state), isLate: false }
  if (!hasSubscribed(state) || openSeq === seq) return { ...common, from: { epoch, seq }, delivered: null }
  return { ...common, from: { epoch, seq: openSeq }, delivered: { filter: inferredOf(state), untilSeq: seq } }
}

/**
 * Plans the replay for a client that has come to this shard and dropped before it subscribed. Null: it has not subscribed
 * yet.
 */
export function planLateReplay(state: ConnectionState, openBefore: LogPlace): OldShardReplay | null {
  if (!hasSubscribed(state)) return null
  const delivered = { filter: inferredOf(state), untilSeq: Infinity }
  return { from: openBefore, delivered, historySeq: oldHistoryOf(state), isLate: true }
}

/** Returns the `historySeq` of replays to a connection. */
export function oldHistoryOf({ oldHistorySeq = Infinity }: Pick<ConnectionState, 'oldHistorySeq'>): number {
  return oldHistorySeq
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
