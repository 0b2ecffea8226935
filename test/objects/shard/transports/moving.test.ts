// A user moves to another shard while the number of shards changes: on every transport the client resumes at the new shard
// from its position of the old one, and gets each event once.
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { shardOf } from '../../../../src/core/delivery/shard-hash.ts'
import { parsePosition } from '../../../../src/core/identity/position.ts'
import type { ShardMap } from '../../../../src/core/shard-map/shard-map.ts'
import { shardStub, type HistoryRequest } from '../../../../src/rpc/shard.ts'
import { asUser, batch, event, SseClient } from '../../../support/shard-clients.ts'
import { TRANSPORT_HARNESSES, type Event, type TransportClient } from '../../../support/transport-clients.ts'

/** Shards of these numbers are nobody else's: each test has a user, and with it two shards of its own. */
const [FROM, TO] = [4_000, 8_000]
const subscriptions = [{ eventType: 'greeting', oneOf: [] }]
const idsOf = (events: readonly Event[]) => events.map(({ id }) => Number(id))
const sorted = (ids: readonly number[]) => ids.toSorted((a, b) => a - b)

function during(phase: NonNullable<ShardMap['change']>['phase'], version: number): ShardMap {
  return { version, shards: TO, change: { from: FROM, phase }, wanted: TO }
}

const WRITING_BOTH = during('writing_both', 1_003)
const MOVING = during('moving', 1_004)
const STEADY: ShardMap = { version: 1_006, shards: TO, change: null, wanted: TO }

let tried = 0

afterEach(() => void vi.useRealTimers())

/** A user that moves, and how its shards learn a map. */
async function newMove() {
  for (; ; tried += 1) {
    const user = `mover ${tried}`
    const [from, to] = [shardOf(user, FROM), shardOf(user, TO)]
    if (from === to) continue
    tried += 1
    const [old, home] = [shardStub(env, from), shardStub(env, to)]
    const learn = async (map: ShardMap) => {
      await old.answer({ kind: 'learn_shard_map', map }, [from], 1)
      await home.answer({ kind: 'learn_shard_map', map }, [to], 1)
    }
    await learn(WRITING_BOTH)
    return { user, principal: asUser(user), old, home, learn }
  }
}

type Move = Awaited<ReturnType<typeof newMove>>

async function writeBoth({ home, old }: Move, ...events: Parameters<typeof batch>[0]): Promise<void> {
  await home.append([batch(events)])
  await old.append([batch(events)])
}

async function idsUntil(client: TransportClient, count: number): Promise<readonly number[]> {
  // Phoenix replays channel by channel: between channels there is no order.
  return sorted(idsOf(await client.until('greeting', count)))
}

describe.each(TRANSPORT_HARNESSES)('$name', ({ hasPositions, name, open }) => {
  it('resumes at the new shard: what it missed comes once, wherever it was written first', async () => {
    const move = await newMove()
    const { home, learn, old, principal, user } = move
    const first = await open(old, { principal, subscriptions })
    const start = first.position
    await writeBoth(move, event(0))
    await first.until('greeting', 1)
    const lastEventId = hasPositions ? first.position : start
    await learn(MOVING)
    await runDurableObjectAlarm(old)
    // A long-polling session on which no poll waits is gone when it is polled again.
    expect(await first.ended()).toBe(name === 'longpolling' ? 4004 : 4006)
    await writeBoth(move, event(1), event(2, { recipients: [user] }))
    // The batch is under way: the old shard does not have it yet.
    await home.append([batch([event(3)])])
    const second = await open(home, { principal, subscriptions, lastEventId })
    const missed = hasPositions ? [1, 2, 3] : [0, 1, 2, 3]
    expect(await idsUntil(second, missed.length)).toEqual(missed)
    await old.append([batch([event(3)])])
    await writeBoth(move, event(4))
    expect(await idsUntil(second, missed.length + 1)).toEqual([...missed, 4])
    const again = hasPositions ? second.position : start
    await second.close()
    await writeBoth(move, event(5))
    const third = await open(home, { principal, subscriptions, lastEventId: again })
    const expected = hasPositions ? [5] : [0, 1, 2, 3, 4, 5]
    expect(await idsUntil(third, expected.length)).toEqual(expected)
    await third.close()
  })

  it.skipIf(!hasPositions)('is told a position of its new shard at once, also if it has missed nothing', async () => {
    const move = await newMove()
    const { home, learn, old, principal } = move
    const first = await open(old, { principal, subscriptions })
    const lastEventId = first.position
    await first.close()
    await learn(MOVING)
    // The next one is much later.
    await runDurableObjectAlarm(home)
    const second = await open(home, { principal, subscriptions, lastEventId })
    // Each channel of Phoenix is told: before the last one has been joined, positions lead to the old log too.
    const isTold = () => {
      const told = parsePosition(second.position)
      return told?.openBefore === null && told.epoch !== parsePosition(lastEventId)?.epoch
    }
    while (!isTold()) {
      const told = await second.listen()
      if (!isTold()) await told()
    }
    const again = second.position
    await second.close()
    await learn(STEADY)
    await home.append([batch([event(0)])])
    const third = await open(home, { principal, subscriptions, lastEventId: again })
    expect(third.recovered).toBe(true)
    expect(idsOf(await third.until('greeting', 1))).toEqual([0])
    await third.close()
  })

  it('resumes where its type forbids history, from a position that the old shard gave it, and from no other', async () => {
    const move = await newMove()
    const { home, learn, old, principal } = move
    const past = (offset: number) => event(offset, { type: 'ruled.past' })
    const wanted = { principal, subscriptions: [{ eventType: 'ruled.past', oneOf: [] }] }
    const other = await open(old, wanted)
    await writeBoth(move, past(0))
    await other.until('ruled.past', 1)
    const first = await open(old, wanted)
    const lastEventId = first.position
    await first.close()
    await writeBoth(move, past(1))
    await learn(MOVING)
    const made = lastEventId.replace(/-\d+(-\d+)?/, '-1')
    const [honest, guessed] = [
      await open(home, { ...wanted, lastEventId }),
      await open(home, { ...wanted, lastEventId: made }),
    ]
    expect([honest.recovered, guessed.recovered]).toEqual([true, false])
    await writeBoth(move, past(2))
    expect(idsOf(await honest.until('ruled.past', 2))).toEqual([1, 2])
    expect(idsOf(await guessed.until('ruled.past', 1))).toEqual([2])
    const again = await open(home, { ...wanted, lastEventId: hasPositions ? honest.position : lastEventId })
    expect(again.recovered).toBe(true)
    await Promise.all([honest, guessed, again].map((client) => client.close()))
  })

  it('resumes where its type forbids history although it dropped at the new shard before it subscribed', async () => {
    const move = await newMove()
    const { home, learn, old, principal, user } = move
    const past = (offset: number) => event(offset, { type: 'ruled.past' })
    const subscribed = { principal, subscriptions: [{ eventType: 'ruled.past', oneOf: [] }] }
    const other = await open(old, subscribed)
    await writeBoth(move, past(0))
    await other.until('ruled.past', 1)
    const first = await open(old, { principal })
    const given = first.position
    await first.close()
    await writeBoth(move, past(1))
    await learn(MOVING)
    const dropped = await open(home, { principal, lastEventId: given })
    expect(dropped.recovered).toBe(true)
    // Its next position is of the new shard, and has the place at the old one besides.
    await writeBoth(move, event(2, { type: 'to.user', recipients: [user] }))
    await dropped.until('to.user', 1)
    const lastEventId = hasPositions ? dropped.position : given
    await dropped.close()
    const back = await open(home, { ...subscribed, lastEventId })
    expect(back.recovered).toBe(true)
    await writeBoth(move, past(3))
    expect(sorted(idsOf(await back.until('ruled.past', 2)))).toEqual([1, 3])
    await Promise.all([back, other].map((client) => client.close()))
  })

  it('subscribes only after it has moved, and gets what it missed of that', async () => {
    const move = await newMove()
    const { home, learn, old, principal, user } = move
    // Somebody else subscribes, so that the old shard has the type.
    const other = await open(old, { principal: asUser(user), subscriptions })
    const first = await open(old, { principal })
    const lastEventId = first.position
    await writeBoth(move, event(0))
    await other.until('greeting', 1)
    await Promise.all([first.close(), other.close()])
    await learn(MOVING)
    const second = await open(home, { principal, lastEventId })
    await second.subscribe({ eventType: 'greeting', oneOf: [] })
    await writeBoth(move, event(1))
    expect(await idsUntil(second, 2)).toEqual([0, 1])
    await second.close()
  })

  it('drops before it subscribes, and still gets what it missed at its old shard', async () => {
    const move = await newMove()
    const { home, learn, old, principal } = move
    const other = await open(old, { principal, subscriptions })
    const first = await open(old, { principal })
    const lastEventId = first.position
    await writeBoth(move, event(0))
    await Promise.all([first.close(), other.close()])
    await learn(MOVING)
    const second = await open(home, { principal, lastEventId })
    // What comes now moves its position to the new log.
    await writeBoth(move, event(1, { recipients: [move.user] }))
    await second.until('greeting', 1)
    const again = hasPositions ? second.position : lastEventId
    // It may still ask for what it missed in the old log.
    expect(parsePosition(again)?.openBefore === null).toBe(!hasPositions)
    await second.close()
    const third = await open(home, { principal, lastEventId: again })
    await third.subscribe({ eventType: 'greeting', oneOf: [] })
    await writeBoth(move, event(2))
    const expected = hasPositions ? [0, 2] : [0, 1, 2]
    expect(await idsUntil(third, expected.length)).toEqual(expected)
    await third.close()
  })
})

it('a shard that a user has left answers with the newer map', async () => {
  const { home, learn, old, principal } = await newMove()
  const early = await home.openLongpolling(principal, subscriptions, null)
  expect(early).toEqual({ ok: false, reason: { kind: 'moved', map: WRITING_BOTH } })
  await learn(MOVING)
  const late = await old.openLongpolling(principal, subscriptions, null)
  expect(late).toEqual({ ok: false, reason: { kind: 'moved', map: MOVING } })
})

it('history at the new shard says truly since when it has all of the user’s events', async () => {
  const startMs = Date.now()
  const at = (seconds: number) => vi.useFakeTimers({ toFake: ['Date'], now: startMs + seconds * 1_000 })
  const move = await newMove()
  const { home, learn, old, principal, user } = move
  const mail = (offset: number) => event(offset, { recipients: [user] })
  const read = async (more: Partial<HistoryRequest> = {}) => {
    const page = await home.readHistory({ principal, subscriptions: [], lastEventId: null, sinceMs: 0, ...more }, 10)
    if (!page.ok) return page.reason.kind
    const ids = page.value.events.map(({ json }) => Number((JSON.parse(json) as Event)['id']))
    const { completeSinceMs } = page.value
    return { ids, completeAfterSeconds: completeSinceMs === null ? null : (completeSinceMs - startMs) / 1_000 }
  }
  // A follower that has not heard of the change yet: the new shard never gets this event.
  await old.append([batch([mail(0)])])
  const before = await old.readHistory({ principal, subscriptions: [], lastEventId: null, sinceMs: 0 }, 10)
  at(1)
  await writeBoth(move, mail(1))
  at(2)
  await learn(MOVING)
  at(3)
  await writeBoth(move, mail(2))
  expect(await read()).toEqual({ ids: [1, 2], completeAfterSeconds: 2 })
  // Nobody has subscribed to the type there.
  expect(await read({ subscriptions })).toEqual({ ids: [1, 2], completeAfterSeconds: null })
  at(4)
  const client = await SseClient.open(home, { principal, subscriptions, sinceMs: 0 })
  const [created] = await client.until(1)
  expect(created?.data['data']).toMatchObject({ complete_since: null })
  expect(await read({ subscriptions })).toEqual({ ids: [1, 2], completeAfterSeconds: 4 })
  // Pages are of one log.
  expect(await read({ lastEventId: before.ok ? before.value.lastEventId : '' })).toBe('bad_request')
  await client.close()
})
