// A connection for pure tests of the shard's bookkeeping: it records what it is told.
import type { DeliveryGroup } from '../../src/core/delivery/delivery-groups.ts'
import type { RigelError } from '../../src/core/errors.ts'
import { BaseConnection } from '../../src/objects/shard/connections/connection.ts'
import { filterOf, type ConnectionState } from '../../src/objects/shard/connections/connection-state.ts'

const STATE: ConnectionState = {
  id: '0'.repeat(32),
  transport: 'sse',
  owner: { user: null, sessions: [], openedAtMs: 0, metadata: {} },
  hasToken: false,
  atPosition: false,
  endsAtMs: Infinity,
  endsByToken: false,
  subscriptions: [],
  inferred: [],
  startSeq: 0,
  pinned: null,
  resume: null,
  claimedBy: null,
  grantEndsAtMs: null,
  phoenix: null,
}

let made = 0

export class FakeConnection extends BaseConnection {
  readonly bufferedBytes = 0
  readonly progress = { writtenSeq: 0, acknowledgedSeq: null }
  readonly delivered: string[] = []
  endedBy: RigelError | undefined

  constructor(state: Partial<ConnectionState> = {}) {
    made += 1
    const own = { ...STATE, id: made.toString(16).padStart(32, '0'), ...state }
    super(own, filterOf(own, null))
  }

  deliver(group: DeliveryGroup): void {
    this.delivered.push(...group.events.map(({ json }) => json))
  }

  rewind(): void {}

  replayOldShard(): void {}

  readTables(): void {}

  send(): void {}

  end(reason: RigelError): void {
    this.endedBy = reason
  }

  removed(): void {}
}
