import { describe, expect, it } from 'vitest'
import documentation from '../../../docs/explain.md?raw'
import {
  bestOf,
  describeCause,
  verdictOf,
  type Cause,
  type Verdict,
  type Written,
} from '../../../src/core/explain/cause.ts'
import { explainConnection, type ConnectionFacts } from '../../../src/core/explain/explain-connection.ts'
import { createFilter } from '../../../src/core/subscriptions/filter.ts'
import type { Subscription } from '../../../src/core/subscriptions/subscription.ts'

const NOW_MS = 1_800_000_000_000
const written: Written = {
  kind: 'written',
  storedMs: NOW_MS,
  how: 'live',
  acknowledged: null,
  endedBy: null,
  waitingBytes: 0,
  pattern: 'greeting',
}

/** One example of each: TypeScript asks for a new one. */
const EXAMPLES: { readonly [K in Cause['kind']]: readonly [Extract<Cause, { kind: K }>, Verdict, RegExp] } = {
  not_followed: [{ kind: 'not_followed', topic: 'x' }, 'not_received', /KAFKA_SOURCE_TOPICS/],
  not_produced: [{ kind: 'not_produced', latest: 5 }, 'not_received', /end is at offset 5/],
  removed_from_topic: [{ kind: 'removed_from_topic', earliest: 9 }, 'not_received', /before offset 9/],
  not_read_yet: [
    { kind: 'not_read_yet', next: 3, failures: 2, lastError: 'no broker' },
    'waits',
    /is at offset 3\. It has failed 2 times in a row: no broker/,
  ],
  dead_letter: [
    { kind: 'dead_letter', code: 'tombstone', reason: 'no value', rule: null },
    'not_received',
    /dead letter \(tombstone\): no value/,
  ],
  dropped_by_rule: [{ kind: 'dropped_by_rule', rule: 'orders' }, 'not_received', /"orders"/],
  is_response: [{ kind: 'is_response' }, 'not_received', /proxied request/],
  not_addressed: [{ kind: 'not_addressed', recipients: ['bob'] }, 'not_received', /addressed to bob/],
  not_wanted: [{ kind: 'not_wanted', type: 'greeting' }, 'not_received', /nobody on the user's shard/],
  removed_from_log: [{ kind: 'removed_from_log', floor: 40 }, 'not_received', /begins after 40/],
  not_arrived: [{ kind: 'not_arrived' }, 'waits', /shard does not have the event/],
  no_connection: [{ kind: 'no_connection', knownSinceMs: NOW_MS }, 'not_received', /has no connection/],
  refused: [{ kind: 'refused', reason: 'session_revoked', atMs: NOW_MS }, 'not_received', /session_revoked/],
  opened_later: [{ kind: 'opened_later', startSeq: 7, recovered: false }, 'not_received', /recovered: false/],
  type_not_subscribed: [
    { kind: 'type_not_subscribed', type: 'a', subscribed: ['b', 'c'] },
    'not_received',
    /does not subscribe to a\. It subscribes to b, c/,
  ],
  clause_refused: [
    {
      kind: 'clause_refused',
      refused: [{ pattern: 'order.*', clause: { total: { gt: 5 } }, field: 'total', expected: { gt: 5 }, got: 3 }],
    },
    'not_received',
    /order\.\* requires total \{"gt":5\}, the event has 3/,
  ],
  subscribed_later: [{ kind: 'subscribed_later', sinceSeq: 12 }, 'not_received', /after the event, at position 12/],
  ended_before: [{ kind: 'ended_before', reason: 'Token expired.', atMs: NOW_MS }, 'not_received', /Token expired/],
  waits_for_ack: [{ kind: 'waits_for_ack', writtenSeq: 3 }, 'waits', /acknowledged/],
  waits_for_reader: [{ kind: 'waits_for_reader', writtenSeq: 3, waitingBytes: 9 }, 'waits', /9 bytes wait/],
  waits_for_poll: [{ kind: 'waits_for_poll', writtenSeq: 3 }, 'waits', /next poll/],
  written: [written, 'received', /^It was written .*subscription to greeting matches it\.$/],
  unknown: [{ kind: 'unknown', why: 'x' }, 'unknown', /^Unknown: x\.$/],
}

describe('a cause', () => {
  it.each(Object.entries(EXAMPLES))(
    '%s has a verdict and a sentence, and is documented',
    (kind, [cause, verdict, text]) => {
      expect(verdictOf(cause)).toBe(verdict)
      expect(describeCause(cause)).toMatch(text)
      expect(documentation).toContain(`\n| \`${kind}\` | `)
    },
  )

  it('of several connections, that which came furthest answers', () => {
    const [later, waits] = [EXAMPLES.opened_later[0], EXAMPLES.waits_for_poll[0]]
    expect(bestOf([later, waits])).toBe(waits)
    expect(bestOf([later, waits, written])).toBe(written)
    expect(bestOf([])).toBeUndefined()
  })
})

const greeting = (oneOf: Subscription['oneOf'] = []): Subscription => ({ eventType: 'greeting', oneOf })
const filterOf = (...subscriptions: Subscription[]) => createFilter('c1', 'alice', subscriptions)
const broadcast = { type: 'greeting', fields: { name: 'x' }, recipients: null, connectionId: null }

function facts(changes: Partial<ConnectionFacts> = {}): ConnectionFacts {
  return {
    transport: 'sse',
    openedAtMs: NOW_MS,
    filters: [{ filter: filterOf(greeting()), sinceSeq: 10 }],
    hasForgotten: false,
    recovered: null,
    writtenSeq: 100,
    acknowledgedSeq: null,
    waitingBytes: 0,
    ended: null,
    ...changes,
  }
}

const at = (seq: number) => ({ seq, storedMs: NOW_MS + seq })
const kindAt = (seq: number, changes: Partial<ConnectionFacts> = {}) =>
  explainConnection(facts(changes), broadcast, at(seq)).kind
const ENDED = { atMs: NOW_MS + 50, reason: 'Reader too slow, come back and resume.' }

describe('explainConnection', () => {
  it('what passes and is before the cursor was written: live, or when the connection read on', () => {
    expect(explainConnection(facts(), broadcast, at(20))).toEqual({ ...written, storedMs: NOW_MS + 20 })
    const resumed = facts({ openedAtMs: NOW_MS + 90, recovered: true, acknowledgedSeq: 19 })
    expect(explainConnection(resumed, broadcast, at(20))).toMatchObject({ how: 'replay', acknowledged: false })
    expect(explainConnection(resumed, broadcast, at(19))).toMatchObject({ how: 'replay', acknowledged: true })
  })

  it('tells that it is for the user, whatever the user subscribes to', () => {
    const event = { ...broadcast, type: 'other', recipients: ['alice', 'bob'] }
    expect(explainConnection(facts(), event, at(20))).toMatchObject({ kind: 'written', pattern: null })
    expect(explainConnection(facts(), { ...event, recipients: ['bob'] }, at(20)).kind).toBe('not_addressed')
  })

  it.each<[string, Partial<ConnectionFacts>, Cause['kind']]>([
    ['an SSE stream that is behind', {}, 'waits_for_reader'],
    ['a socket whose window is closed', { transport: 'ws', acknowledgedSeq: 30 }, 'waits_for_ack'],
    ['a session that has not polled', { needsPoll: true, acknowledgedSeq: 30 }, 'waits_for_poll'],
    ['a connection that has ended', { ended: ENDED }, 'ended_before'],
  ])('what is after the cursor waits, or ended with %s', (_what, changes, kind) => {
    expect(kindAt(60, { writtenSeq: 50, ...changes })).toBe(kind)
    expect(kindAt(50, { writtenSeq: 50, ...changes })).toBe('written')
  })

  it('tells of a connection that ended after the write, and of what its client had not taken', () => {
    const cause = explainConnection(facts({ ended: ENDED, waitingBytes: 9 }), broadcast, at(20))
    expect(cause).toMatchObject({ kind: 'written', endedBy: ENDED.reason, waitingBytes: 9 })
    expect(describeCause(cause)).toMatch(/has ended since: Reader too slow.*has not taken 9 bytes/)
  })

  it('tells which clause refused it, by the subscriptions of that time', () => {
    const narrow = { filter: filterOf(greeting([{ name: 'y' }])), sinceSeq: 10 }
    const wide = { filter: filterOf(greeting()), sinceSeq: 30 }
    const none = { filter: filterOf(), sinceSeq: 30 }
    expect(explainConnection(facts({ filters: [narrow] }), broadcast, at(20))).toEqual({
      kind: 'clause_refused',
      refused: [{ pattern: 'greeting', clause: { name: 'y' }, field: 'name', expected: 'y', got: 'x' }],
    })
    expect(kindAt(20, { filters: [narrow, wide] })).toBe('subscribed_later')
    expect(kindAt(31, { filters: [narrow, wide] })).toBe('written')
    expect(kindAt(20, { filters: [wide, none] })).toBe('opened_later')
    expect(kindAt(31, { filters: [{ ...wide, sinceSeq: 10 }, none] })).toBe('type_not_subscribed')
    expect(kindAt(20, { filters: [{ ...wide, sinceSeq: 10 }, none] })).toBe('written')
    // The client resumed, and what it had missed was read again for its new subscriptions.
    expect(
      kindAt(20, {
        filters: [
          { ...none, sinceSeq: 25 },
          { ...wide, sinceSeq: 12 },
        ],
      }),
    ).toBe('written')
  })

  it('does not guess by subscriptions that are no longer known', () => {
    expect(kindAt(10)).toBe('opened_later')
    expect(kindAt(10, { hasForgotten: true })).toBe('unknown')
  })

  it('an event that the shard did not store: the connection did not want it, or does so only now', () => {
    expect(explainConnection(facts(), broadcast, null).kind).toBe('subscribed_later')
    expect(explainConnection(facts(), { ...broadcast, type: 'other' }, null).kind).toBe('type_not_subscribed')
  })
})
