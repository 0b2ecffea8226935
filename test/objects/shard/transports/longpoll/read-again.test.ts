// Polls of a session whose client subscribes anew after it came back, and of one that is told of a gap.
import { expect, it } from 'vitest'
import type { PollAnswer } from '../../../../../src/rpc/shard.ts'
import { inComposedShard, type ComposedShard } from '../../../../support/composed-shard.ts'
import { asUser, batch, event } from '../../../../support/shard-clients.ts'

const principal = asUser('alice')
const greeting = [{ eventType: 'greeting', oneOf: [] }]
const typesIn = ({ events }: PollAnswer) => events.map((json) => (JSON.parse(json) as { type: string }).type)

/** Opens a session, and returns its id and what its polls answer. */
async function open({ connect, connections, log, transports }: ComposedShard, wanted: Parameters<typeof connect>[0]) {
  const known = new Set([...connections.all()].map(({ state }) => state.id))
  await connect({ principal, ...wanted, transport: 'longpolling' })
  await log.settle()
  const [added] = [...connections.all()].filter(({ state }) => !known.has(state.id))
  const id = added?.state.id ?? ''
  const poll = async (from: string | null): Promise<PollAnswer> => {
    const polled = await transports.longpolling.poll(id, from)
    if (!polled.ok) throw new Error(polled.reason.kind)
    return polled.value
  }
  return { id, poll }
}

it('a poll that comes while the new subscriptions are stored is told of no gap', async () => {
  await inComposedShard({ TYPES: '{}' }, async (shard) => {
    const { connections, log, subscriptions } = shard
    const first = await open(shard, { subscriptions: greeting })
    const { lastEventId } = await first.poll(null)
    await log.append([batch([event(0)])])
    const second = await open(shard, { subscriptions: greeting, lastEventId })
    const begun = await second.poll(null)
    expect(typesIn(begun)).toContain('greeting')
    const session = connections.get(second.id)
    if (session === undefined) throw new Error('there is no session')
    const rewind = session.rewind.bind(session)
    let polled: Promise<PollAnswer> | undefined
    session.rewind = (...range) => {
      rewind(...range)
      polled = second.poll(begun.lastEventId)
    }
    const change = { subscriptions: greeting, inferred: [], principal }
    expect(await subscriptions.replace(second.id, change)).toEqual({ ok: true, value: null })
    const answer = await polled
    expect([answer && typesIn(answer), answer?.recovered]).toEqual([['rig.subscriptions_set'], true])
  })
})

it('a session that is told of a gap gets its tables anew', async () => {
  const TABLES = JSON.stringify({ greeting: { topic: 'rig' } })
  await inComposedShard({ TABLES, TYPES: '{}', LOG_RETENTION_SECONDS: '1' }, async (shard) => {
    const session = await open(shard, { subscriptions: [{ eventType: 'greeting', oneOf: [], state: true }] })
    let at: string | null = null
    const until = async (type: string) => {
      for (;;) {
        const answer: PollAnswer = await session.poll(at)
        at = answer.lastEventId
        if (typesIn(answer).includes(type)) return answer
      }
    }
    await until('rig.table.complete')
    shard.clock.nowMs += 10_000
    for (const offset of [0, 1, 2]) await shard.log.append([batch([event(offset)])])
    shard.clock.nowMs += 10_000
    await shard.log.append([batch([event(3)])])
    const gap: PollAnswer = await session.poll(at)
    expect([gap.recovered, gap.lastEventId.includes('!')]).toEqual([false, false])
    at = gap.lastEventId
    expect(typesIn(await until('rig.table.complete'))).toEqual(['rig.table.reset', 'rig.table.complete'])
  })
})
