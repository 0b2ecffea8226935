// Streams that read a long log, of which nothing is for them: one step a turn each, so that live events do not wait for the end of it.
import { expect, it } from 'vitest'
import { inComposedShard } from '../../../support/composed-shard.ts'
import { batch, event, SseClient } from '../../../support/shard-clients.ts'

const EVENTS = 40
const READERS = 20
const rare = [{ eventType: 'rare', oneOf: [] }]
const large = new TextEncoder().encode(
  JSON.stringify({ specversion: '1.0', id: '0', source: '/test', type: 'old', data: 'x'.repeat(70_000) }),
)

it('a live event comes while others read what they missed, and they read to the end', async () => {
  await inComposedShard({}, async ({ connect, connections, log }) => {
    const open = async (wanted: Parameters<typeof connect>[0]) => new SseClient(await connect(wanted))
    const live = await open({ subscriptions: [{ eventType: 'live', oneOf: [] }] })
    const first = await open({ subscriptions: rare })
    const [created] = await first.until(1)
    await first.close()
    for (let offset = 0; offset < EVENTS; offset += 1)
      await log.append([batch([event(offset, { type: 'old', utf8: large })])])
    const readers: SseClient[] = []
    for (let n = 0; n < READERS; n += 1)
      readers.push(await open({ subscriptions: rare, lastEventId: created?.id ?? null }))
    const behind = () => [...connections.all()].filter(({ progress }) => progress.writtenSeq < log.committedSeq).length
    expect(behind()).toBeGreaterThan(READERS / 2)
    await log.append([batch([event(EVENTS, { type: 'live' })])])
    await live.until(1, 'live')
    expect(behind()).toBeGreaterThan(READERS / 2)
    await expect.poll(behind).toBe(0)
    await log.append([batch([event(EVENTS + 1, { type: 'rare' })])])
    for (const reader of readers) expect(await reader.until(1, 'rare')).toHaveLength(1)
    for (const client of [live, ...readers]) await client.close()
  })
})
