// What a client gets of its own shard's log when it has read that of its old shard.
import { expect, it } from 'vitest'
import type { StoredEvent } from '../../../../src/core/events/stored-event.ts'
import type { CommittedLog } from '../../../../src/objects/shard/log/committed-log.ts'
import type { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { OldShardReader } from '../../../../src/objects/shard/old-shard/old-shard-reader.ts'
import { Timers } from '../../../../src/objects/shard/timers.ts'

it('is nothing from before its user left the shard and came back', async () => {
  const events = [4, 5, 6, 7].map((seq): StoredEvent => ({
    seq,
    type: 'greeting',
    json: '{}',
    fields: {},
    recipients: null,
    connectionId: null,
  }))
  const reader = new OldShardReader(
    { env: {} as Env },
    { settle: async () => undefined, committedSeq: 9 } as unknown as CommittedLog,
    { readUncovered: () => events } as unknown as LogStore,
    new Timers(() => 0),
    // The shard learned at 5 that it gets the user again.
    { predatesReturn: (_user, seq) => seq < 5 },
  )
  const filter = { user: 'bob', watched: [], subscriptions: [{ eventType: 'greeting', oneOf: [] }] }
  const end = await reader.end({ seen: {}, before: { head: 9, seen: {} } }, filter, null)
  expect(end.events.map(({ seq }) => seq)).toEqual([6, 7])
})
