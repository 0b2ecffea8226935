// Connections with the same variant are sent the same bytes, which have the position of one of them.
import { expect, it } from 'vitest'
import { formatPosition } from '../../../../src/core/identity/position.ts'
import type { ConnectionState } from '../../../../src/objects/shard/connections/connection-state.ts'
import { ClientPositions } from '../../../../src/objects/shard/positions/client-positions.ts'
import { FakeConnection } from '../../../support/fake-connection.ts'
import { makeConfig } from '../../../support/make-tokens.ts'

const config = makeConfig({ TYPES: JSON.stringify({ 'a.*': { history: 'nobody' } }) })
const positions = new ClientPositions({
  context: { config, now: () => 0 },
  log: { position: (seq) => formatPosition('2.b', seq) },
  proofs: { sign: (text, since) => `${text} signed ${since ?? ''}` },
})
const { state } = new FakeConnection()

it.each<[string, Partial<ConnectionState>, Partial<ConnectionState>]>([
  ['has been there, and one that made up its place at its old shard', { oldHistorySeq: 3 }, {}],
  ['has been there longer', { oldHistorySeq: 3 }, { oldHistorySeq: 4 }],
])('the variant of a client that %s is another', (_who, one, other) => {
  const resume = { seq: 7, untilMs: 1, before: { epoch: '1.a', seq: 3 } }
  const states = [one, other].map((more) => ({ ...state, subscriptions: [], resume, startSeq: 7, ...more }))
  const [first, second] = states.map((of) => positions.of(of, 8))
  expect([first, second]).toEqual(['2.b-8~1.a-3 signed ', '2.b-8~1.a-3'])
  expect(new Set(states.map((of) => positions.variantOf(of))).size).toBe(2)
})

it('the variant is the same where the position is', () => {
  const resume = { seq: 7, untilMs: 1, before: { epoch: '1.a', seq: 3 } }
  const states = [2, 3].map((oldHistorySeq) => ({
    ...state,
    subscriptions: [],
    resume,
    startSeq: oldHistorySeq,
    oldHistorySeq,
  }))
  expect(new Set(states.map((of) => positions.of(of, 8))).size).toBe(1)
  expect(new Set(states.map((of) => positions.variantOf(of))).size).toBe(1)
})

it('a channel that reads history gets no proof of it by the place at its old shard', () => {
  const resume = { seq: 7, untilMs: 1, before: { epoch: '1.a', seq: 3 } }
  const resumed = { ...state, resume, oldHistorySeq: 3 }
  expect([7, 8].map((historySeq) => positions.ofChannel(resumed, 7, historySeq))).toEqual([
    '2.b-7~1.a-3 signed ',
    '2.b-7~1.a-3',
  ])
})
