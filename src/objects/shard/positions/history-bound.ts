// What is history to a client that comes, where rules restrict who may read it: everything from before it came. A position that
// is proven says since when it has been there; a state that a service has handed out may be some minutes old. Used by admission,
// for the channels of Phoenix, and for later subscriptions.
import { boundsHistory, mayWithholdHistory, type FilterRights } from '../../../core/rules/filter-rights.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { StoredHistory } from '../log/history.ts'
import { GAP, type JoinPlace } from '../subscriptions/as-of-joins.ts'
import type { Resumption } from './resumption.ts'

export interface HistoryBoundDeps {
  readonly log: Pick<CommittedLog, 'committedSeq'>
  readonly storedHistory: Pick<StoredHistory, 'recentFrom'>
}

/** Who comes, and from where it continues. */
interface Coming {
  readonly place: Resumption
  /** It has asked by time. */
  readonly isByTime: boolean
  readonly joined: JoinPlace
  readonly subscriptions: readonly Subscription[]
  /** It gets what is addressed to its user. */
  readonly isAddressed: boolean
}

/** `historySeq`: what is stored up to there is history to the client; undefined: that does not matter. */
interface HistoryBound {
  readonly joined: JoinPlace
  readonly historySeq: number | undefined
}

/** Nothing may be awaited between this and the opening of the connection. */
export function boundOf(
  { log, storedHistory }: HistoryBoundDeps,
  rights: FilterRights | undefined,
  { isAddressed, isByTime, joined, place, subscriptions }: Coming,
): HistoryBound {
  const { committedSeq } = log
  if (rights === undefined || !boundsHistory(rights.rules, rights.grants)) return { joined, historySeq: undefined }
  if (isByTime) return { joined, historySeq: committedSeq }
  if (place.kind === 'own') return { joined, historySeq: place.sinceSeq ?? committedSeq }
  // What the old shard does not have at its end was stored a moment ago.
  if (place.kind === 'old')
    return { joined, historySeq: place.oldSinceSeq === undefined ? committedSeq : storedHistory.recentFrom(0) }
  if (joined.startSeq === null) return { joined, historySeq: committedSeq }
  const historySeq = storedHistory.recentFrom(joined.startSeq)
  const isTooOld = joined.startSeq < historySeq && mayWithholdHistory(rights, subscriptions, isAddressed)
  return isTooOld ? { joined: GAP, historySeq: committedSeq } : { joined, historySeq }
}
