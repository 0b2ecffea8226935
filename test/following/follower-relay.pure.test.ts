// The tree of calls over followers, as Cloudflare runs it: a call takes a while, and of an invocation's calls six wait for an
// answer at once; the seventh is queued. Time is simulated.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { InterestUpdate } from '../../src/core/interest/ledger.ts'
import { FollowerRelay } from '../../src/following/follower-relay.ts'
import { notifyFollowers, type FollowerResult } from '../../src/rpc/follower.ts'

const CALL_MS = 20
const MAX_WAITING = 6
const update: InterestUpdate = { epoch: 'one', after: 0, version: 7, bitmaps: [], watches: [] }

const NAMES =
  'USER_SHARD DIRECTORY EMBEDDED_LOG EMBEDDED_BROKER KAFKA_PRODUCER NATS_CLIENT PRESENCE_TOPIC SESSION_REGISTRY PENDING_RESPONSES METRICS_STORE'
const BINDINGS = Object.fromEntries(NAMES.split(' ').map((name) => [name, { getByName: () => undefined }]))

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function makeFollowers(count: number, isDown: (partition: number) => boolean = () => false) {
  const applied: number[] = []
  const waiting: number[] = []
  /** What one invocation sees: its own limit of calls that wait. */
  const makeEnv = (): Env => {
    let calls = 0
    const getByName = (name: string) => ({
      relayInterest: async (...args: Parameters<FollowerRelay['applyInterest']>) => {
        calls += 1
        waiting.push(calls)
        await new Promise((resolve) => setTimeout(resolve, CALL_MS))
        try {
          return await invoke(Number(name.split('/')[1]), args)
        } finally {
          calls -= 1
        }
      },
    })
    return { ...BINDINGS, TOPIC_FOLLOWER: { getByName }, KAFKA_SOURCE_TOPICS: 'another' } as unknown as Env
  }
  const invoke = async (partition: number, args: Parameters<FollowerRelay['applyInterest']>) => {
    if (isDown(partition)) throw new Error('out of reach')
    const relay = new FollowerRelay(
      makeEnv(),
      { topic: 'rig', partition },
      {
        nudge: async () => undefined,
        applyInterest: ({ version }) => {
          applied.push(partition)
          return { version, orphans: [] }
        },
        status: () => expect.fail('not asked for'),
        checkStorage: () => expect.fail('not asked for'),
      },
    )
    return relay.applyInterest(...args)
  }
  const followers = Array.from({ length: count }, (_, partition) => ({ topic: 'rig', partition }))
  const notify = async (): Promise<{ results: readonly FollowerResult[]; ms: number }> => {
    const startMs = Date.now()
    const notified = notifyFollowers(makeEnv(), followers, update).then((results) => ({
      results,
      ms: Date.now() - startMs,
    }))
    await vi.runAllTimersAsync()
    return notified
  }
  return { notify, applied, waiting }
}

it.each([
  [1, 20],
  [64, 200],
  [2_050, 1_000],
])(
  '%i followers are told within %i ms, each once, and no invocation has more than six calls waiting',
  async (count, ms) => {
    const world = makeFollowers(count)
    const told = await world.notify()
    expect(told.results.map(({ ok, partition }) => [ok, partition])).toEqual(
      Array.from({ length: count }, (_, partition) => [true, partition]),
    )
    expect(world.applied.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, partition) => partition))
    expect(told.ms).toBeLessThanOrEqual(ms)
    expect(Math.max(...world.waiting)).toBeLessThanOrEqual(MAX_WAITING)
  },
)

it('a follower that is out of reach, and those that it would have told, are named; the others are told', async () => {
  const { results } = await makeFollowers(64, (partition) => partition === 0).notify()
  const failed = results.flatMap((result) => (result.ok ? [] : [result.partition]))
  expect(failed).toEqual([0, 1, 2, 3, 4])
})
