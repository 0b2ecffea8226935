// Who is told of a presence topic by its shard.
import { expect, it } from 'vitest'
import type { ShardContext } from '../../../../../../src/objects/shard/shard-context.ts'
import { Timers } from '../../../../../../src/objects/shard/timers.ts'
import type { Channel } from '../../../../../../src/objects/shard/transports/phoenix/channel.ts'
import type { PhoenixConnection } from '../../../../../../src/objects/shard/transports/phoenix/phoenix-connection.ts'
import { PresenceTracker } from '../../../../../../src/objects/shard/transports/phoenix/presence/presence-tracker.ts'
import { createTestStorage } from '../../../../../support/sql-storage.ts'

it('is not a connection that ended while it was sent the reply to its join', () => {
  const context = { now: () => 0, background: () => undefined, storage: createTestStorage() }
  const tracker = new PresenceTracker(context as unknown as ShardContext, new Timers(context.now))
  const channel = { topic: 'user:alice', hasPresence: true } as Channel
  const ended = { channel: () => undefined } as unknown as PhoenixConnection
  tracker.joined(ended, channel)
  expect(tracker.changed(channel.topic, { joins: {}, leaves: {} }, 1)).toBe(false)
})
