// Work that a figure measures and that no client could ask for: appends past the followers, many sessions, interest, presence.
import { runWithLimit } from '../../../src/core/concurrency.ts'
import { encodeBatches } from '../../../src/core/delivery/batch-codec.ts'
import { configOf } from '../../../src/config/parse-config.ts'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { InterestDeclarer } from '../../../src/core/interest/declarer.ts'
import type { RoutedEvent } from '../../../src/core/events/stored-event.ts'
import { directoryStub } from '../../../src/rpc/directory.ts'
import { embeddedBrokerStub, embeddedLogStub } from '../../../src/rpc/embedded-kafka.ts'
import { presenceStub } from '../../../src/rpc/presence.ts'
import { shardStub } from '../../../src/rpc/shard.ts'

export const TOPIC = 'bench'

/** Fits the follower's fetch: about 1 MiB of events of 300 bytes. */
const PRODUCE_BATCH = 2_000

const encoder = new TextEncoder()

export async function appendToShard(env: Env, shard: number, count: number, from: number, type: string): Promise<void> {
  for (let offset = from; offset < from + count; offset += 1) {
    const utf8 = encoder.encode(benchEvent(type))
    const packs = encodeBatches([{ offset, type, utf8, fields: {}, recipients: null }])
    await shardStub(env, shard).append([{ topic: TOPIC, partition: 0, generation: 0, packs }])
  }
}

/** Keys of the table that `appendChanges` changes, in turn. */
const CHANGED_KEYS = 10_000

/** Appends `count` events to shard 0, `batch` a call, as a follower does. `isTable`: each changes the row of its subject. */
export async function appendChanges(
  env: Env,
  { batch, count, from, isTable, type }: Readonly<Record<'batch' | 'count' | 'from', number>> & ChangedType,
): Promise<void> {
  for (let offset = from; offset < from + count; offset += batch) {
    const events = Array.from({ length: Math.min(batch, from + count - offset) }, (_, n): RoutedEvent => {
      const key = `key-${(offset + n) % CHANGED_KEYS}`
      const data = { n: offset + n, text: 'x'.repeat(80) }
      const json = JSON.stringify({ specversion: '1.0', id: '0', source: '/bench', type, subject: key, data })
      const row = isTable ? ([key, 0] as const) : undefined
      return { offset: offset + n, type, utf8: encoder.encode(json), fields: {}, recipients: null, row }
    })
    await shardStub(env, 0).append([{ topic: TOPIC, partition: 0, generation: 0, packs: encodeBatches(events) }])
  }
}

interface ChangedType {
  readonly type: string
  readonly isTable: boolean
}

/** A new user whose connections are at shard 0. Other shards' users are refused there. */
function userOfFirstShard(env: Env): string {
  for (;;) {
    const user = `user-${crypto.randomUUID()}`
    if (shardOf(user, configOf(env).shards) === 0) return user
  }
}

/** A session with a type of its own, or, without a `type`, with one that all have. */
export async function subscribe(env: Env, type: string): Promise<void> {
  const principal = { user: userOfFirstShard(env), session: null, expSeconds: null }
  const subscriptions = [{ eventType: type === '' ? 'known' : `${type}.${crypto.randomUUID()}`, oneOf: [] }]
  const opened = await shardStub(env, 0).openLongpolling(principal, subscriptions, null)
  if (!opened.ok) throw new Error(JSON.stringify(opened.reason))
}

/** `count` new types at 16 shards, by the code of shards: 50 subscribers of each wait at a time. */
export async function declareTypes(env: Env, count: number): Promise<void> {
  const directory = directoryStub(env)
  const subscribeMany = async (declarer: InterestDeclarer, shard: number) => {
    for (let n = 0; n < count / 800; n += 1) await declarer.add([`${shard}.${n}.${crypto.randomUUID()}`], [])
  }
  const shards = Array.from({ length: 16 }, (_, n) => {
    const shard = 1_000 + n
    const declarer = new InterestDeclarer(null, {
      declare: async (declaration) => directory.declareInterest({ ...declaration, shard }),
      confirmed: { types: () => [], users: () => [] },
      setEpoch: () => undefined,
      nowMs: () => Date.now(),
    })
    return Promise.all(Array.from({ length: 50 }, () => subscribeMany(declarer, shard)))
  })
  await Promise.all(shards)
}

/** `count` calls to the Directory, as many at a time. */
export async function callDirectory(env: Env, count: number): Promise<void> {
  const directory = directoryStub(env)
  const call = async () => void (await directory.interestVersion())
  await runWithLimit(
    Array.from({ length: count }, () => call),
    800,
  )
}

/** `count` sessions at one shard with ten subscriptions each (`sets`: all `equal`, all `different`), or `none`. */
export async function openSessions(env: Env, count: number, sets: string): Promise<void> {
  const open = (n: number) => async () => {
    const principal = { user: userOfFirstShard(env), session: null, expSeconds: null }
    const types = Array.from({ length: 10 }, (_, k) => `type.${(sets === 'equal' ? k : n * 7 + k * 61) % 1_000}`)
    // The third digit of n on is in the order of the types: no two of 20,000 sets are the same.
    const turned = [...types.slice(Math.floor(n / 1_000) % 10), ...types.slice(0, Math.floor(n / 1_000) % 10)]
    const subscriptions = (sets === 'none' ? [] : turned).map((eventType) => ({ eventType, oneOf: [] }))
    const opened = await shardStub(env, 0).openLongpolling(principal, subscriptions, null)
    if (!opened.ok) throw new Error(JSON.stringify(opened.reason))
  }
  await runWithLimit(
    Array.from({ length: count }, (_, n) => open(n)),
    50,
  )
}

/** `count` new members of a presence topic, of shards without connections. */
export async function enterMany(env: Env, topic: string, count: number): Promise<void> {
  const enter = async () => {
    const connectionId = crypto.randomUUID()
    const meta = { time: Date.now(), username: connectionId.slice(0, 8) }
    await presenceStub(env, topic).enter({ shard: 0, connectionId, name: `member-${connectionId}`, meta })
  }
  await runWithLimit(
    Array.from({ length: count }, () => enter),
    100,
  )
}

/** About 100 bytes, all alike, so that both sides send the same. */
export function benchEvent(type: string): string {
  return JSON.stringify({ specversion: '1.0', id: '0', source: '/bench', type, data: 'x'.repeat(30) })
}

/** Events of `bytes`, about. */
export async function produceBacklog(env: Env, partition: number, count: number, bytes: number): Promise<void> {
  await embeddedBrokerStub(env).ensureTopic(TOPIC)
  const users = Array.from({ length: 100 }, (_, n) => `user-${n}`)
  for (let from = 0; from < count; from += PRODUCE_BATCH) {
    const records = Array.from({ length: Math.min(PRODUCE_BATCH, count - from) }, (_, n) => {
      const data = { recipients: [users[(from + n) % users.length]], text: 'x'.repeat(bytes - 150) }
      const json = JSON.stringify({ specversion: '1.0', id: String(from + n), source: '/bench', type: 'backlog', data })
      return { timestampMs: 0, key: null, headers: [], value: encoder.encode(json) }
    })
    await embeddedLogStub(env, { topic: TOPIC, partition }).append(records)
  }
}
