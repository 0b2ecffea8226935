// A table that is kept for a while after its last client.
import { expect, it } from 'vitest'
import { inComposedShard } from '../../../support/composed-shard.ts'
import { asUser, SseClient } from '../../../support/shard-clients.ts'

it('gets its events as long as it is kept, however short the log is kept', async () => {
  const settings = { TABLES: JSON.stringify({ greeting: { topic: 'rig' } }), TYPES: '{}', LOG_RETENTION_SECONDS: '2' }
  await inComposedShard(settings, async (shard) => {
    const { clock, connections, interests, maintenance, tables } = shard
    const subscriptions = [{ eventType: 'greeting', oneOf: [], state: true as const }]
    const client = new SseClient(await shard.connect({ principal: asUser('alice'), subscriptions }))
    await client.until(1, 'rig.table.complete')
    for (const connection of connections.all()) shard.lifecycle.remove(connection)
    const after = async (ms: number) => {
      clock.nowMs += ms
      await maintenance.sweep()
      return [tables.has('greeting'), interests.wants('greeting')]
    }
    expect(await after(1_000)).toEqual([true, true])
    expect(await after(60_000)).toEqual([true, true])
    expect(await after(240_000)).toEqual([false, true])
    expect(await after(3_000)).toEqual([false, false])
    await client.close()
  })
})
