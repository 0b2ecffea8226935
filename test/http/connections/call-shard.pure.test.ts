// Which group of shards a client connects to: the one of its position as long as it can read on there.
import { describe, expect, it } from 'vitest'
import type { ConnectRequest } from '../../../src/core/identity/principal.ts'
import { DURABLE_OBJECTS } from '../../../src/config/bindings.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { initialMap, type ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { groupNumber, shardAt } from '../../../src/core/shard-map/shard-number.ts'
import { callShard, chooseShard } from '../../../src/http/connections/call-shard.ts'
import { WorkerShardMap } from '../../../src/http/worker-shard-map.ts'

const SECRET = 'a test secret of 32 bytes or more'
const SHARDS = 4
const [eu, us] = [groupNumber('eu'), groupNumber('us')]
const map = initialMap(SHARDS, 5, [eu, us])
const alice = { user: 'alice', session: null, expSeconds: null }
const nobody = { user: null, session: null, expSeconds: null }
const place = shardOf('alice', SHARDS)
const CONNECT = { transport: 'sse', subscriptions: [], protocol: null, allowOrigin: '*' } as const
const at = (shard: number) => `${shard}.abc-7`

describe('a user', () => {
  const choose = (group: number | undefined, lastEventId: string | null, known: ShardMap = map, byPosition = true) =>
    chooseShard({ group, principal: alice, lastEventId }, known, 0.5, byPosition)

  it('without a position connects to the own group', () => {
    expect(choose(us, null)).toEqual({ shard: shardAt(us, place), atPosition: false })
    expect(choose(undefined, null)).toEqual({ shard: place, atPosition: false })
  })

  it('who travels stays where the position is, if the shard says that it is of its log', () => {
    expect(choose(us, at(shardAt(eu, place)))).toEqual({ shard: shardAt(eu, place), atPosition: true })
    expect(choose(us, at(place))).toEqual({ shard: place, atPosition: true })
    expect(choose(us, at(shardAt(eu, place)), map, false)).toEqual({ shard: shardAt(us, place), atPosition: false })
  })

  it('with the position of a group that is gone, or of a shard of others, connects to the own group', () => {
    for (const shard of [shardAt(groupNumber('gone'), place), shardAt(eu, place + 1), shardAt(eu, SHARDS)])
      expect(choose(us, at(shard))).toEqual({ shard: shardAt(us, place), atPosition: false })
  })

  it('connects to the default group while the own one is not open', () => {
    expect(choose(us, null, initialMap(SHARDS, 5, [eu]))).toEqual({ shard: place, atPosition: false })
  })

  it('who moves within a group while the number of shards changes stays in it', () => {
    const name = Array.from({ length: 99 }, (_, n) => `user ${n}`).find((one) => shardOf(one, 8) > 3) ?? ''
    const moving: ShardMap = { ...map, shards: 8, wanted: 8, change: { from: SHARDS, phase: 'moving' } }
    const principal = { ...alice, user: name }
    const old = at(shardAt(eu, shardOf(name, SHARDS)))
    expect(chooseShard({ group: us, principal, lastEventId: old }, moving, 0)).toEqual({
      shard: shardAt(eu, shardOf(name, 8)),
      atPosition: false,
    })
  })

  it('without groups connects as ever', () => {
    expect(choose(undefined, at(shardAt(eu, place)), initialMap(SHARDS))).toEqual({ shard: place, atPosition: false })
  })
})

it('a client without a user connects to a shard of its group, or to that of its position', () => {
  const choose = (lastEventId: string | null) => chooseShard({ group: us, principal: nobody, lastEventId }, map, 0.9)
  expect(choose(null)).toEqual({ shard: shardAt(us, 3), atPosition: false })
  expect(choose(at(shardAt(eu, 1)))).toEqual({ shard: shardAt(eu, 1), atPosition: true })
  expect(choose(at(shardAt(eu, SHARDS)))).toEqual({ shard: shardAt(us, 3), atPosition: false })
})

describe('an isolate', () => {
  const known = (newest: ShardMap, until?: Promise<void>) => {
    const asked = { times: 0 }
    const shardMap = async () => {
      asked.times += 1
      await until
      return newest
    }
    const bindings = DURABLE_OBJECTS.map((name) => [name, { getByName: () => ({ shardMap }) }])
    const env = { JWT_SECRET_KEY: SECRET, ...Object.fromEntries(bindings) } as unknown as Env
    return { asked, worker: new WorkerShardMap(env, SHARDS, [us]) }
  }
  const shardsCalled = async (worker: WorkerShardMap, lastEventId: string | null) => {
    const called: number[] = []
    const connect: ConnectRequest = { ...CONNECT, principal: alice, lastEventId, group: us }
    await callShard(worker, connect, async (shard, sent) => void called.push(shard, Number('group' in sent)), () => undefined) // prettier-ignore
    return called
  }

  it('that does not know the group of a position asks once: a deploy removes it later than clients come back', async () => {
    const { asked, worker } = known(map)
    expect(await shardsCalled(worker, at(shardAt(eu, place)))).toEqual([shardAt(eu, place), 0])
    expect(await shardsCalled(worker, at(shardAt(eu, place)))).toEqual([shardAt(eu, place), 0])
    expect(asked.times).toBe(1)
  })

  it('takes the answer also for those who come while it asks', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { asked, worker } = known(map, promise)
    const called = Array.from({ length: 3 }, () => shardsCalled(worker, at(shardAt(eu, place))))
    resolve()
    expect(await Promise.all(called)).toEqual(called.map(() => [shardAt(eu, place), 0]))
    expect(asked.times).toBe(1)
  })

  it('asks nobody about positions of groups that it knows, and of no group at all', async () => {
    const { asked, worker } = known(map)
    for (const position of [null, at(place), at(shardAt(us, place)), at(99_999)]) await shardsCalled(worker, position)
    expect(asked.times).toBe(0)
  })
})
