import { expect, it } from 'vitest'
import { StoredHistory } from '../../../../src/objects/shard/log/history.ts'

/** A log of `count` events of one type, of which a read returns one. `onPause`: called between two steps of a page. */
function makeHistory(count: number, onPause: (log: { floor: number; head: number }) => void = () => undefined) {
  const state = { floor: 0, head: count, reads: 0, pauses: 0 }
  const history = new StoredHistory({
    log: {
      get committedSeq() {
        return state.head
      },
      resumable: Number,
      settle: async () => undefined,
    },
    store: {
      get floor() {
        return state.floor
      },
      read(seq: number) {
        state.reads += 1
        const next = Math.max(seq, state.floor) + 1
        if (next > state.head) return []
        const json = JSON.stringify({ n: next })
        return [{ seq: next, type: 'stored', json, fields: {}, recipients: null, connectionId: null }]
      },
      times: { positionBefore: () => state.floor, appendedAfterMs: () => 0 },
      position: String,
      trim: () => undefined,
    },
    interests: { sinceMsOf: () => ({ seq: 0, ms: 0 }) },
    shardMap: { cameBy: () => undefined, predatesReturn: (user, seq) => user === 'who came back' && seq < 5 },
    now: () => 1,
    async pause() {
      state.pauses += 1
      onPause(state)
    },
  })
  const page = (eventType: string, limit = 1_000, after: string | null = null, user: string | null = null) =>
    history.page({
      user,
      subscriptions: [{ eventType, oneOf: [] }],
      rights: undefined,
      after,
      sinceMs: 0,
      limit,
    })
  return { page, state }
}

it('lets others have a turn after each step of a page that nothing matches', async () => {
  const { page, state } = makeHistory(1_000)
  expect(await page('another')).toMatchObject({ events: [], lastEventId: '32', hasMore: true })
  expect(state.pauses).toBe(state.reads)
})

it('returns events that are stored while it reads, and ends where a later one begins', async () => {
  const { page, state } = makeHistory(2, (log) => (log.head = Math.min(4, log.head + 1)))
  const read = await page('stored')
  expect(read?.events.map(({ id }) => id)).toEqual(['1', '2', '3', '4'])
  state.head = 5
  expect(read).toMatchObject({ lastEventId: '4', hasMore: false })
})

it('ends before events that were dropped while it read, so that the next request is told of the gap', async () => {
  const { page } = makeHistory(10, (log) => (log.floor = 5))
  expect(await page('stored')).toMatchObject({ events: [{ id: '1' }], lastEventId: '1', hasMore: true })
})

it('is not complete in the millisecond of its first event once events were dropped: some of them may be as old', async () => {
  const { page, state } = makeHistory(10)
  expect((await page('stored'))?.completeSinceMs).toBe(0)
  state.floor = 5
  expect((await page('stored'))?.completeSinceMs).toBe(1)
})

it('is not read on from before its user left the shard and came back: what is missing went elsewhere', async () => {
  const { page } = makeHistory(10)
  expect(await page('stored', 1_000, '4', 'who came back')).toBeUndefined()
  expect(await page('stored', 1, '5', 'who came back')).toMatchObject({ events: [{ id: '6' }] })
  expect(await page('stored', 1, '4', 'who stayed')).toMatchObject({ events: [{ id: '5' }] })
})
