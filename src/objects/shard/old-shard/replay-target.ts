// What every transport with one filter per connection does alike while events of the old shard are written to it: the
// connection's position is pinned to the old log until the replay has ended. Phoenix has a target of its own per channel.
import type { LogPlace } from '../../../core/identity/position.ts'
import type { ClientPositions } from '../positions/client-positions.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { Connection } from '../connections/connection.ts'
import type { ReplayTarget } from './old-shard-replayer.ts'
import type { OldShardReplay } from './old-shard-replay.ts'
import { specOf } from './plan-replay.ts'

interface ReplayTargetParts {
  readonly connections: ConnectionRegistry
  readonly lifecycle: ConnectionLifecycle
  readonly positions: ClientPositions
}

/** Returns the target for a connection whose subscriptions are one set. `own`: how the transport writes, and reads on. */
export function createReplayTarget(
  connection: Connection,
  { connections, lifecycle, positions }: ReplayTargetParts,
  own: Pick<ReplayTarget, 'write' | 'done'>,
): ReplayTarget {
  const pin = (pinned: string) => connections.update(connection, { ...connection.state, pinned })
  const oldPosition = (place: LogPlace, { isLate }: OldShardReplay) =>
    isLate ? positions.of(connection.state, 0) : positions.ofOldShard(connection.state, place)
  return {
    ...own,
    filter: () => ({ ...specOf(connection.state), rights: connection.filter.rights }),
    bufferedBytes: () => connection.bufferedBytes,
    oldPosition,
    pin: (seq, replay) => pin(positions.ofLateReplay(connection.state, seq, replay)),
    reached: (place, replay) => pin(oldPosition(place, replay)),
    position: (seq) => positions.of({ ...connection.state, pinned: null }, seq),
    done: (seq, replay) => {
      lifecycle.update(connection, { pinned: null })
      own.done(seq, replay)
    },
    failed: (reason) => lifecycle.end(connection, reason),
  }
}
