// How a channel takes what its client missed at its old shard: each channel has a position, and reads the old log by itself. Used by
// phoenix-connection.ts, which writes.
import type { StoredEvent } from '../../../../core/events/stored-event.ts'
import type { ReplayTarget } from '../../old-shard/old-shard-replayer.ts'
import { subscriptionsOf, type JoinedChannel } from './joined-channels.ts'

interface ChannelWriter extends Pick<ReplayTarget, 'bufferedBytes' | 'failed' | 'oldPosition' | 'position'> {
  readonly push: (event: StoredEvent, position: string) => void
  /** The channel reads on in this shard's log. */
  readonly done: () => void
}

export function replayTargetOf(
  joined: JoinedChannel,
  { bufferedBytes, done, failed, oldPosition, position: positionOf, push }: ChannelWriter,
): ReplayTarget {
  const { filter } = joined.channel
  const spec = {
    user: filter.user,
    watched: filter.watched,
    subscriptions: subscriptionsOf(filter),
    rights: filter.rights,
  }
  return {
    filter: () => spec,
    bufferedBytes,
    pin: () => undefined,
    write: (events, position) => {
      for (const event of events) push(event, position(event.seq))
    },
    reached: () => undefined,
    oldPosition,
    position: positionOf,
    done: (seq) => {
      joined.behindSeq = seq
      joined.oldShard = null
      done()
    },
    failed,
  }
}
