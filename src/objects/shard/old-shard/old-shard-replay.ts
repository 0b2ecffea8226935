// The part of the old shard's log that a moved client still gets. plan-replay.ts computes it, old-shard-replayer.ts sends
// it.
import type { LogPlace } from '../../../core/identity/position.ts'
import type { MovedDelivered } from '../../../rpc/moved-history.ts'

/** What a client still gets from its old shard. */
export interface OldShardReplay {
  readonly from: LogPlace
  readonly delivered: MovedDelivered | null
  /** What the old log has up to here is history to the client; Infinity: all of it. */
  readonly historySeq: number
  /** The client reads this shard's log already: it subscribed to more, and gets what it missed of that. */
  readonly isLate: boolean
}
