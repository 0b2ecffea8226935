import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { directoryStub } from '../../../src/rpc/directory.ts'
import { InterestStore } from '../../../src/objects/directory/interest-store.ts'
import { InterestIndex } from '../../../src/following/interest-index.ts'

const partitions = [0, 1, 2, 3]
let topics = 0

/** Followers that nobody has woken yet: they register at their first nudge. */
const followerOf = (topic: string, partition: number) => env.TOPIC_FOLLOWER.getByName(`${topic}/${partition}`)

function newFollowers() {
  const topic = `topic-${(topics += 1)}`
  return partitions.map((partition) => followerOf(topic, partition))
}

function snapshot() {
  return runInDurableObject(directoryStub(env), (_directory, { storage }) => new InterestStore(storage).snapshot())
}

/** What a follower has stored, by which it routes: the shards of each type. */
function known(follower: ReturnType<typeof followerOf>, types: readonly string[]) {
  return runInDurableObject(follower, (_follower, { storage }) => {
    const index = new InterestIndex(storage)
    return { version: index.version, shards: types.map((type) => [...index.shardsOf(type)].toSorted((a, b) => a - b)) }
  })
}

/** What a follower has to know: as the Directory has it. */
async function expected(types: readonly string[]) {
  const { version, interests } = await snapshot()
  const shardsOf = (type: string) => interests.filter((one) => one.types.includes(type)).map(({ shard }) => shard)
  return { version, shards: types.map((type) => shardsOf(type).toSorted((a, b) => a - b)) }
}

describe('the Directory', () => {
  it('a follower that registers while interests change misses none of them, in whatever order they come', async () => {
    const followers = newFollowers()
    const types = Array.from({ length: 24 }, (_, n) => `race-${n}`)
    const change = (type: string, n: number) => directoryStub(env).changeInterest(n % 3, [type], [])
    await Promise.all([
      ...types.slice(0, 12).map(change),
      ...followers.map((follower) => follower.nudge()),
      ...types.slice(12).map(change),
    ])
    const wanted = await expected(types)
    expect(wanted.shards).toEqual(types.map((_, n) => [n % 3]))
    expect(await Promise.all(followers.map((follower) => known(follower, types)))).toEqual(followers.map(() => wanted))
  })

  it('gains and losses of one shard come in their order, however fast they follow each other', async () => {
    const followers = newFollowers()
    await Promise.all(followers.map((follower) => follower.nudge()))
    const directory = directoryStub(env)
    await Promise.all([
      directory.changeInterest(1, ['back'], []),
      directory.changeInterest(1, [], ['back']),
      directory.changeInterest(1, ['back'], []),
      directory.changeInterest(2, ['gone'], []),
      directory.changeInterest(2, [], ['gone']),
    ])
    for (const follower of followers) expect((await known(follower, ['back', 'gone'])).shards).toEqual([[1], []])
  })

  it('has told every follower when a change is confirmed, also one that changes nothing', async () => {
    const followers = newFollowers()
    await Promise.all(followers.map((follower) => follower.nudge()))
    for (let times = 0; times < 2; times += 1) {
      await directoryStub(env).changeInterest(2, ['told'], [])
      const wanted = await expected(['told'])
      expect(wanted.shards).toEqual([[2]])
      for (const follower of followers) expect(await known(follower, ['told'])).toEqual(wanted)
    }
  })

  it('a follower that missed a change asks for everything before it takes the next', async () => {
    const followers = newFollowers()
    await Promise.all(followers.map((follower) => follower.nudge()))
    await runInDurableObject(directoryStub(env), (_directory, { storage }) => {
      new InterestStore(storage).change(0, ['missed'], [])
    })
    await directoryStub(env).changeInterest(1, ['next'], [])
    const wanted = await expected(['missed', 'next'])
    expect(wanted.shards).toEqual([[0], [1]])
    for (const follower of followers) expect(await known(follower, ['missed', 'next'])).toEqual(wanted)
  })

  it('knows after sleep who wants what, and whom to tell', async () => {
    const [follower] = newFollowers()
    await follower?.nudge()
    await directoryStub(env).changeInterest(0, ['before'], [])
    await evictDurableObject(directoryStub(env))
    await directoryStub(env).changeInterest(1, ['after'], [])
    const wanted = await expected(['before', 'after'])
    expect(wanted.shards).toEqual([[0], [1]])
    expect(follower && (await known(follower, ['before', 'after']))).toEqual(wanted)
  })

  it('remembers how many partitions a topic had when it was first looked for', async () => {
    const topic = `seen-${crypto.randomUUID()}`
    expect(await directoryStub(env).firstSeenPartitions(topic, 3)).toBe(3)
    await evictDurableObject(directoryStub(env))
    expect(await directoryStub(env).firstSeenPartitions(topic, 8)).toBe(3)
  })
})
