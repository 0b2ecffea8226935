import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { bitmapOf, emptyBitmap, matchBitsOf, mayWant } from '../../../src/core/interest/bitmap.ts'
import { watchTopic } from '../../../src/core/subscriptions/watch-topic.ts'
import { InterestIndex } from '../../../src/following/interest-index.ts'
import { InterestStore } from '../../../src/objects/directory/interest-store.ts'
import { directoryStub } from '../../../src/rpc/directory.ts'
import { shardStub } from '../../../src/rpc/shard.ts'
import { connectWs, fetchRigel, publish } from '../../support/gateway-client.ts'
import { eventually } from '../../support/eventually.ts'

const partitions = [0, 1, 2, 3]
let topics = 0
let sequence = Date.now()

const followerOf = (topic: string, partition: number) => env.TOPIC_FOLLOWER.getByName(`${topic}/${partition}`)

/** Followers that nobody has woken yet: they register at their first nudge. */
function newFollowers() {
  const topic = `topic-${(topics += 1)}`
  return partitions.map((partition) => followerOf(topic, partition))
}

/** Shards that no test connects to: what they want is declared here, all of it at each call. */
const TEST_SHARDS = 9_000

async function declare(shard: number, types: readonly string[], watch: readonly string[] = []) {
  const { epoch } = await directoryStub(env).interestVersion()
  const bitmap = types.length === 0 ? emptyBitmap() : bitmapOf(types)
  const declaration = { shard: TEST_SHARDS + shard, epoch, bitmap, watch, unwatch: [], isComplete: true }
  return directoryStub(env).declareInterest({ ...declaration, sequence: (sequence += 1) })
}

/** What a follower has stored, by which it routes: the test's shards that want each type, or watch each user. */
function known(follower: ReturnType<typeof followerOf>, types: readonly string[], users: readonly string[] = []) {
  return runInDurableObject(follower, (_follower, { storage }) => {
    const index = new InterestIndex(storage)
    const sets = [...types.map((type) => index.shardsOf(type)), ...users.map((user) => index.watchersOf(user))]
    return sets.map((shards) =>
      [...shards]
        .map((shard) => shard - TEST_SHARDS)
        .filter((shard) => shard >= 0)
        .toSorted((a, b) => a - b),
    )
  })
}

describe('the Directory', () => {
  it('a follower that registers while interest changes misses none of it, in whatever order it comes', async () => {
    const followers = newFollowers()
    const types = Array.from({ length: 24 }, (_, n) => `race-${n}`)
    await Promise.all([
      ...types.slice(0, 12).map((type, n) => declare(n, [type])),
      ...followers.map((follower) => follower.nudge()),
      ...types.slice(12).map((type, n) => declare(n + 12, [type])),
    ])
    const wanted = types.map((_, n) => [n])
    expect(await Promise.all(followers.map((follower) => known(follower, types)))).toEqual(followers.map(() => wanted))
  })

  it('the newest declaration of a shard wins, also if an older one arrives after it', async () => {
    const [follower] = newFollowers()
    await follower?.nudge()
    const { epoch } = await directoryStub(env).interestVersion()
    const change = { shard: TEST_SHARDS + 1, epoch, watch: [], unwatch: [], isComplete: false }
    const newer = (sequence += 10)
    await directoryStub(env).declareInterest({ ...change, bitmap: bitmapOf(['newer']), sequence: newer })
    await directoryStub(env).declareInterest({ ...change, bitmap: bitmapOf(['older']), sequence: newer - 1 })
    expect(follower && (await known(follower, ['newer', 'older']))).toEqual([[1], []])
  })

  it('has told every follower when a declaration is confirmed, also one that changes nothing', async () => {
    const followers = newFollowers()
    await Promise.all(followers.map((follower) => follower.nudge()))
    for (let times = 0; times < 2; times += 1) {
      await declare(2, ['told'], ['alice'])
      for (const follower of followers)
        expect(await known(follower, ['told'], ['alice', 'bob'])).toEqual([[2], [2], []])
    }
    await declare(2, [])
    for (const follower of followers) expect(await known(follower, ['told'], ['alice'])).toEqual([[], []])
  })

  it('knows after sleep who wants what, and whom to tell, and what a follower lacks', async () => {
    const [follower] = newFollowers()
    await follower?.nudge()
    await declare(0, ['before'])
    await evictDurableObject(directoryStub(env))
    if (follower !== undefined) await evictDurableObject(follower)
    await declare(1, ['after'], ['carol'])
    expect(follower && (await known(follower, ['before', 'after'], ['carol']))).toEqual([[0], [1], [1]])
  })

  it('refuses a change of a shard that it does not know from this epoch: the shard declares everything', async () => {
    const change = { shard: TEST_SHARDS + 3, bitmap: emptyBitmap(), watch: [], unwatch: [], isComplete: false }
    const { epoch } = await directoryStub(env).interestVersion()
    const answers = ['another epoch', null, epoch].map((of) =>
      directoryStub(env).declareInterest({ ...change, epoch: of, sequence: (sequence += 1) }),
    )
    expect(await Promise.all(answers)).toEqual([
      { epoch, isAccepted: false },
      { epoch, isAccepted: false },
      { epoch, isAccepted: true },
    ])
  })

  it('remembers how many partitions a topic had when it was first looked for', async () => {
    const topic = `seen-${crypto.randomUUID()}`
    expect(await directoryStub(env).firstSeenPartitions(topic, 3)).toBe(3)
    await evictDurableObject(directoryStub(env))
    expect(await directoryStub(env).firstSeenPartitions(topic, 8)).toBe(3)
  })

  it('knows topics of patterns that came after they were first looked for, and no others when a pattern is added', async () => {
    const [first, second, third] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()]
    const seen = (patterns: string, ...names: readonly string[]) =>
      directoryStub(env).firstSeenMatched(
        `${first}${patterns}`,
        names.map((topic) => ({ topic, count: 4 })),
      )
    expect(await seen('a*', first)).toEqual([4])
    expect(await seen('a*', first, second)).toEqual([4, 0])
    expect(await seen('a*,b*', first, second, third)).toEqual([4, 0, 4])
  })
})

describe('a Directory that lost its storage', () => {
  const ids = (events: readonly { event: Record<string, unknown> }[]) => events.map(({ event }) => event['id'])
  const anyOf = (eventType: string) => [{ eventType, oneOf: [] }]

  it('finds its followers, and what shards want, before it confirms anything new: no event is lost', async () => {
    const old = await connectWs({ subscriptions: anyOf('of-before') })
    const before = await directoryStub(env).interestVersion()
    await runInDurableObject(directoryStub(env), (_directory, { storage }) => {
      for (const table of ['life', 'shard_interests', 'user_watches', 'followers'])
        storage.sql.exec(`DROP TABLE ${table}`)
    })
    await evictDurableObject(directoryStub(env))

    const fresh = await connectWs({ subscriptions: anyOf('of-after') })
    await publish({ id: 'a1', type: 'of-after', partitionkey: 'k' })
    await publish({ id: 'b1', type: 'of-before', partitionkey: 'k' })
    expect(ids(await fresh.untilType('of-after', 1))).toEqual(['a1'])
    expect(ids(await old.untilType('of-before', 1))).toEqual(['b1'])

    const { epoch } = await directoryStub(env).interestVersion()
    expect(epoch > before.epoch).toBe(true)
    // A follower that comes now knows what was wanted before, for the shards have declared it anew.
    const [late] = newFollowers()
    await late?.nudge()
    await eventually(async () => {
      const shards = await runInDurableObject(late as never, (_f, { storage }: DurableObjectState) => [
        ...new InterestIndex(storage).shardsOf('of-before'),
      ])
      expect(shards).not.toEqual([])
    })
  })

  it('is not called healthy while a follower knows another epoch of it', async () => {
    const health = () =>
      fetchRigel('/_rig/api/health', { headers: { authorization: 'Bearer an-internal-token-of-the-tests' } })
    const follower = env.EMBEDDED_LOG.getByName('rig/0')
    await follower.nudge()
    await eventually(async () => expect((await health()).status).toBe(200))
    await runInDurableObject(follower, (_follower, { storage }) => {
      storage.sql.exec("UPDATE interest_version SET life = '0 an earlier one'")
    })
    await evictDurableObject(follower)
    const response = await health()
    expect([response.status, await response.text()]).toEqual([
      503,
      'rig/0: has the interest of a Directory whose storage was lost; it gets the new interest within a minute\n',
    ])
    await directoryStub(env).refreshFollowers()
  })

  it('answers a follower that registers when all shards have declared anew: nothing else knows what they want', async () => {
    await connectWs({ subscriptions: anyOf('of-the-lost') })
    await runInDurableObject(directoryStub(env), (_directory, { storage }) => {
      for (const table of ['life', 'shard_interests', 'user_watches', 'followers'])
        storage.sql.exec(`DROP TABLE ${table}`)
    })
    await evictDurableObject(directoryStub(env))
    const topic = `topic-${(topics += 1)}`
    const { bitmaps } = await directoryStub(env).registerFollower(topic, 0)
    expect(bitmaps.some(({ bitmap }) => mayWant(bitmap, matchBitsOf('of-the-lost')))).toBe(true)
  })
})

describe('interest that was stored as names', () => {
  it('becomes bitmaps in the Directory by itself', async () => {
    const stub = env.DIRECTORY.getByName(`old-${crypto.randomUUID()}`)
    const update = await runInDurableObject(stub, (_directory, { storage }) => {
      for (const table of ['life', 'shard_interests', 'user_watches', 'followers'])
        storage.sql.exec(`DROP TABLE ${table}`)
      storage.sql.exec(`
        CREATE TABLE interests (shard INTEGER NOT NULL, type TEXT NOT NULL, PRIMARY KEY (shard, type)) WITHOUT ROWID;
        CREATE TABLE version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
        CREATE TABLE followers (topic TEXT NOT NULL, partition INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
        INSERT INTO version VALUES (0, 7);
        INSERT INTO followers VALUES ('rig', 0);
        INSERT INTO interests VALUES (1, 'news'), (2, 'news'), (2, 'com.*');
      `)
      storage.sql.exec('INSERT INTO interests VALUES (2, ?)', watchTopic('alice'))
      const store = new InterestStore(storage, 'the first epoch')
      const reopened = new InterestStore(storage, 'another')
      return { ...reopened.since(0), followers: reopened.followers(), found: store.hasFoundFollowers }
    })
    expect(update).toMatchObject({
      epoch: 'the first epoch',
      after: 0,
      followers: [{ topic: 'rig', partition: 0 }],
      found: true,
      bitmaps: [
        { shard: 1, bitmap: bitmapOf(['news']) },
        { shard: 2, bitmap: bitmapOf(['news', 'com.*']) },
      ],
      watches: [{ shard: 2, user: 'alice', isWatched: true }],
    })
  })

  it('becomes bitmaps in a follower, which routes by them until the Directory tells it anew', async () => {
    const follower = followerOf(`old-${crypto.randomUUID()}`, 0)
    const seen = await runInDurableObject(follower, (_follower, { storage }) => {
      for (const table of ['shard_interests', 'user_watches', 'interest_version'])
        storage.sql.exec(`DROP TABLE ${table}`)
      storage.sql.exec(`
        CREATE TABLE interests (type TEXT NOT NULL, shard INTEGER NOT NULL, PRIMARY KEY (type, shard)) WITHOUT ROWID;
        CREATE TABLE interest_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
        INSERT INTO interest_version VALUES (0, 7);
        INSERT INTO interests VALUES ('news', 1), ('news', 2), ('com.*', 2);
      `)
      storage.sql.exec('INSERT INTO interests VALUES (?, 3)', watchTopic('alice'))
      const first = new InterestIndex(storage)
      const index = new InterestIndex(storage)
      const routes = ['news', 'com.github', 'other'].map((type) => [...index.shardsOf(type)])
      const at = first.at
      const update = { epoch: 'now', after: 7, version: 8, bitmaps: [], watches: [] }
      const behind = index.apply(update)
      const complete = index.apply({
        ...update,
        after: 0,
        bitmaps: [{ shard: 1, version: 8, bitmap: bitmapOf(['news']) }],
      })
      return { at, routes, watchers: [...index.watchersOf('alice')], behind, complete, orphans: index.orphans }
    })
    expect(seen).toEqual({
      at: { epoch: '', version: 7 },
      routes: [[1, 2], [2], []],
      watchers: [3],
      behind: null,
      complete: 8,
      orphans: [2, 3],
    })
  })

  it('stays what a shard stores by, and is declared as bitmaps', async () => {
    const shard = shardStub(env, TEST_SHARDS + 77)
    await runInDurableObject(shard, (_shard, { storage }) => {
      storage.sql.exec("INSERT INTO interests (type, since_seq, idle_since_ms) VALUES ('stored-before', 3, NULL)")
    })
    await evictDurableObject(shard)
    const [follower] = newFollowers()
    await follower?.nudge()
    await shard.declareInterest('an epoch it does not know')
    expect(follower && (await known(follower, ['stored-before', 'other']))).toEqual([[77], []])
  })
})
