// Through real Durable Objects: what a follower does with more shards than it may call, with a small number that it may.
import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../../src/core/events/kafka-record.ts'
import { runWithLimit } from '../../../src/core/concurrency.ts'
import { LogStore } from '../../../src/objects/shard/log/log-store.ts'
import { breakLog, mendLog } from '../../support/break-log.ts'
import { EventPlanner, EVENTS_RUN } from '../../../src/following/plan-events.ts'
import { broadcastCommand, shardStub, createShardSender } from '../../../src/rpc/shard.ts'
import { asUser, SseClient, WsClient } from '../../support/shard-clients.ts'
import { ShardRouting } from '../../../src/core/shard-map/routing.ts'
import { initialMap } from '../../../src/core/shard-map/shard-map.ts'

const SHARDS = 80
const FAN_OUT = 4
const subscriptions = [{ eventType: 'news', oneOf: [] }]
const shards = Array.from({ length: SHARDS }, (_, shard) => 15_000 + shard)
const numbers = (events: readonly { event: Record<string, unknown> }[]) =>
  events.map(({ event }) => Number(event['id']))

function record(offset: number): LogRecord {
  const value = new TextEncoder().encode(
    JSON.stringify({ specversion: '1.0', id: String(offset), source: '/t', type: 'news' }),
  )
  return { topic: 'relayed', partition: 0, offset, timestampMs: 1, key: null, headers: [], value }
}

/** As a follower appends a batch: all of it, or it throws. */
async function append(records: readonly LogRecord[]): Promise<number> {
  const interested = new Set(shards)
  const planner = new EventPlanner({
    deliver: null,
    shards: createShardSender(env),
    topic: 'relayed',
    partition: 0,
    fanOut: FAN_OUT,
    maxEventBytes: 10_000,
    deadLetterTopic: 'dead',
    schemas: null,
    log: { produce: async () => [] },
    budget: EVENTS_RUN,
    rule: null,
    rules: {
      extractors: new Map(),
      recipients: { all: undefined, byType: new Map() },
      interests: { shardsOf: () => interested, watchersOf: () => new Set<number>() },
    },
    shardMap: { routing: new ShardRouting(initialMap(8_192)), planned: () => undefined },
  })
  const { stages } = await planner.plan({ records, next: records.length }, 0)
  for (const stage of stages) await runWithLimit(stage, FAN_OUT)
  return stages.flat().length
}

describe('a broadcast to more shards than one invocation may call', () => {
  it('comes to the clients of each of them once, by relays of relays, although a shard failed in between', async () => {
    const [first, second, last] = [0, 31, 79].map((index) => shardStub(env, shards[index] ?? 0))
    if (first === undefined || second === undefined || last === undefined) throw new Error('no shard')
    const clients = await Promise.all([first, second, last].map((shard) => WsClient.open(shard, { subscriptions })))
    const stream = await SseClient.open(second, { subscriptions })
    expect(await append([record(0)])).toBe(FAN_OUT)

    await breakLog(second)
    await expect(append([record(1), record(2)])).rejects.toThrow(/broken log|segments_/)
    // Every other shard has been told before the failure was.
    expect(numbers(await (clients[2] as WsClient).untilType('news', 3))).toEqual([0, 1, 2])
    await mendLog(second)

    await append([record(1), record(2)])
    await append([record(3)])
    // What a follower that died had left under way may come late.
    await append([record(1), record(2)])
    for (const client of clients) expect(numbers(await client.untilType('news', 4))).toEqual([0, 1, 2, 3])
    expect((await stream.until(4, 'news')).map(({ data }) => data['id'])).toEqual(['0', '1', '2', '3'])
    await stream.close()
    const stored = await Promise.all(
      shards.map((shard) =>
        runInDurableObject(
          shardStub(env, shard),
          (_instance, { storage }) =>
            new LogStore(storage, '', { retentionMs: 3_600_000, retentionBytes: 1e9 })
              .read(0, 1e9)
              .filter(({ type }) => type === 'news').length,
        ),
      ),
    )
    // A shard that nobody subscribes at was sent them as well, and stores none.
    expect(stored).toEqual(shards.map((_, index) => ([0, 31, 79].includes(index) ? 4 : 0)))
  })
})

it('a revocation closes the session on each of more shards than one invocation may call, and tells who failed', async () => {
  const session = 'everywhere'
  const connect = (index: number) =>
    WsClient.open(shardStub(env, shards[index] ?? 0), { principal: { ...asUser('alice'), session } })
  const clients = await Promise.all([0, 40, 70, 41].map(connect))
  const expiresMs = Date.now() + 60_000
  const broken = shardStub(env, shards[41] ?? 0)
  const rename = (from: string, to: string) =>
    runInDurableObject(broken, (_instance, { storage }) => {
      storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`)
    })
  await rename('revoked_sessions', 'gone')
  const answers = await broadcastCommand(env, shards, { kind: 'revoke_session', session, expiresMs }, FAN_OUT)
  expect(answers.map(({ shard }) => shard)).toEqual(shards)
  expect(answers.filter(({ ok }) => !ok).map(({ shard }) => shard)).toEqual([shards[41]])
  expect(answers.reduce((sum, answer) => sum + (answer.ok ? answer.value : 0), 0)).toBe(3)
  for (const client of clients.slice(0, 3))
    expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4501)
  await rename('gone', 'revoked_sessions')
})
