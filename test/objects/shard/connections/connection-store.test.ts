// Rows of `connections` and `phoenix_sockets` as the version of 2026-11-26 wrote them, read by this one.
import { runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { ConnectionStore } from '../../../../src/objects/shard/connections/connection-store.ts'
import { newShard } from '../../../support/shard-clients.ts'

const SUBSCRIPTION = { eventType: 'greeting', oneOf: [] }

function writeAsBefore(sql: SqlStorage): void {
  sql.exec(`
    DROP TABLE connections;
    CREATE TABLE connections (
      id TEXT PRIMARY KEY, transport TEXT NOT NULL, user TEXT, sessions TEXT NOT NULL, opened_at_ms INTEGER NOT NULL, metadata TEXT NOT NULL, ends_at_ms INTEGER NOT NULL,
      ends_by_token INTEGER NOT NULL, start_seq INTEGER NOT NULL, resume_until_ms INTEGER,
      subscriptions TEXT NOT NULL, inferred TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE phoenix_sockets (
      id TEXT PRIMARY KEY, principal TEXT NOT NULL, hello TEXT NOT NULL, opened_at_ms INTEGER NOT NULL, ends_at_ms INTEGER NOT NULL,
      ends_by_token INTEGER NOT NULL
    ) WITHOUT ROWID;
  `)
  const subscriptions = JSON.stringify([SUBSCRIPTION])
  const session = ['a'.repeat(32), 'longpolling', 'alice', '["s1"]', 1_000, '{"device":"phone"}', 9_000_000_000_000, 1]
  sql.exec(
    'INSERT INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...session,
    7,
    5_000,
    subscriptions,
    '[]',
  )
  const principal = JSON.stringify({ user: 'bob', session: 's2', expSeconds: 9_000_000_000 })
  const hello = JSON.stringify({ vsn: 2, roles: ['support'], meta: {} })
  sql.exec('INSERT INTO phoenix_sockets VALUES (?, ?, ?, ?, ?, ?)', 'b'.repeat(32), principal, hello, 2_000, 3_000, 0)
}

it('connections of the version before are carried over as they were', async () => {
  await runInDurableObject(newShard(), (_shard, { storage }) => {
    writeAsBefore(storage.sql)
    const states = new ConnectionStore(storage.sql).all()
    expect(states).toEqual([
      {
        id: 'a'.repeat(32),
        transport: 'longpolling',
        owner: { user: 'alice', sessions: ['s1'], openedAtMs: 1_000, metadata: { device: 'phone' } },
        hasToken: true,
        atPosition: false,
        endsAtMs: 9_000_000_000_000,
        endsByToken: true,
        startSeq: 7,
        pinned: null,
        resume: { seq: 7, untilMs: 5_000, before: null },
        subscriptions: [SUBSCRIPTION],
        inferred: [],
        claimedBy: null,
        grantEndsAtMs: null,
        phoenix: null,
      },
      {
        id: 'b'.repeat(32),
        transport: 'phoenix',
        owner: { user: 'bob', sessions: ['s2'], openedAtMs: 2_000, metadata: {} },
        hasToken: true,
        atPosition: false,
        endsAtMs: 3_000,
        endsByToken: false,
        startSeq: 0,
        pinned: null,
        resume: null,
        subscriptions: [],
        inferred: [],
        claimedBy: null,
        grantEndsAtMs: null,
        phoenix: { vsn: 2, roles: ['support'], meta: {} },
      },
    ])
    expect(new ConnectionStore(storage.sql).all()).toEqual(states)
  })
})

it('what is stored is read back', async () => {
  await runInDurableObject(newShard(), (_shard, { storage }) => {
    const store = new ConnectionStore(storage.sql)
    const state = {
      id: 'c'.repeat(32),
      transport: 'ws',
      owner: { user: null, sessions: [], openedAtMs: 1, metadata: {} },
      hasToken: false,
      atPosition: true,
      endsAtMs: 2,
      endsByToken: false,
      startSeq: 9,
      pinned: '3.abc-5',
      resume: { seq: 4, untilMs: 3, before: { epoch: '3.abc', seq: 2 } },
      subscriptions: [SUBSCRIPTION],
      inferred: [SUBSCRIPTION],
      claimedBy: 'alice',
      grantEndsAtMs: 8,
      phoenix: null,
    } as const
    store.put(state)
    expect(store.all()).toEqual([state])
  })
})
