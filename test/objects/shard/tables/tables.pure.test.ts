// Compares tables with a naive model, for random changes, rights and times of connecting. The table of a client becomes what the model
// says, the client is told only of rows that it saw, and the live index agrees with the filters.
import { describe, expect, it } from 'vitest'
import { encodeBatches, type AppendBatch } from '../../../../src/core/delivery/batch-codec.ts'
import type { RoutedEvent, StoredEvent } from '../../../../src/core/events/stored-event.ts'
import { createFilter, matchesFilter, withTables, type Filter } from '../../../../src/core/subscriptions/filter.ts'
import { SubscriptionIndex } from '../../../../src/core/subscriptions/subscription-index.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { TableReader } from '../../../../src/objects/shard/tables/table-reader.ts'
import { TableStore } from '../../../../src/objects/shard/tables/table-store.ts'
import { randomFrom } from '../../../support/random.ts'
import { createTestStorage, type TestStorage } from '../../../support/sql-storage.ts'

const TYPE = 'order'
const KEYS = ['k1', 'k2', 'k3', 'k4']
const encoder = new TextEncoder()
const limits = { maxRows: 1_000, maxBytes: 1_000_000 }

function open(storage: TestStorage, { maxBytes, maxRows } = limits, basis = 'basis') {
  const tooLarge: string[] = []
  const store = new TableStore(storage.sql, {
    rules: new Map([[TYPE, { type: TYPE, topic: 'rig', key: 'subject', maxRows, maxBytes }]]),
    basis: new Map([[TYPE, basis]]),
    newId: () => 'fill',
    onTooLarge: (type) => void tooLarge.push(type),
    onReset: () => undefined,
  })
  const log = new LogStore(storage, '0.log', { retentionMs: 1e9, retentionBytes: 1e9 }, undefined, store)
  return { log, store, tooLarge }
}

interface Change {
  readonly key: string
  readonly tenant: string
  readonly recipients: readonly string[] | null
  /** Null: the row is removed. */
  readonly value: number | null
}

function toEvent({ key, recipients, tenant, value }: Change, offset: number): RoutedEvent {
  const data = value === null ? {} : { data: { tenant, value } }
  const json = JSON.stringify({
    specversion: '1.0',
    id: String(offset),
    source: '/t',
    type: TYPE,
    subject: key,
    ...data,
  })
  return {
    offset,
    type: TYPE,
    utf8: encoder.encode(json),
    fields: value === null ? {} : { tenant },
    recipients,
    row: [key, value === null ? 1 : 0],
  }
}

const batchOf = (events: readonly RoutedEvent[]): AppendBatch => ({
  topic: 'rig',
  partition: 0,
  generation: 0,
  packs: encodeBatches(events),
})

class Client {
  readonly table = new Map<string, unknown>()
  readonly told: string[] = []
  filter: Filter
  seq = -1

  constructor(id: string, user: string | null, tenant: string | null) {
    const oneOf = tenant === null ? [] : [{ tenant }]
    const filter = createFilter(id, user, [{ eventType: TYPE, oneOf, state: true }])
    this.filter = withTables(filter, new Map([[TYPE, 0]]))
  }

  /** Reads the table as of the end of the log, in pages between which `meanwhile` runs. */
  begin({ log, store }: ReturnType<typeof open>, meanwhile: () => void): void {
    const head = { id: 'x', nowMs: 0, specversion: '1.0' } as const
    const reader = new TableReader([TYPE], [''], { store, rules: null, envelope: () => head, finish: () => [] })
    reader.begin(log.head)
    while (!reader.isRead) {
      for (const { events } of reader.next(this.filter)) for (const event of events) this.apply(event)
      meanwhile()
    }
    this.seq = reader.untilSeq ?? 0
    this.filter = withTables(this.filter, new Map([[TYPE, this.seq]]))
  }

  /** Reads on in the log. */
  catchUp(log: LogStore): void {
    for (const event of log.read(0, Infinity)) {
      if (event.seq > this.seq && matchesFilter(this.filter, event)) this.apply(event)
    }
    this.seq = log.head
  }

  apply({ json }: Pick<StoredEvent, 'json'>): void {
    const event = JSON.parse(json) as { type: string; subject: string; data?: { key?: string } }
    if (event.type === 'rig.table.reset') return this.table.clear()
    if (event.type === 'rig.table.removed') {
      this.told.push(event.data?.key ?? '')
      if (!this.table.has(event.data?.key ?? '')) throw new Error('it is told of a row that it never saw')
      this.table.delete(event.data?.key ?? '')
    } else if (event.data === undefined) this.table.delete(event.subject)
    else this.table.set(event.subject, event.data)
  }
}

function sees({ filter: { byType, user } }: Client, { recipients, tenant, value }: Change): boolean {
  if (value === null) return false
  if (recipients !== null) return user !== null && recipients.includes(user)
  const [clause] = byType.get(TYPE) ?? []
  return clause === undefined || clause['tenant'] === tenant
}

describe('tables', () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))('become what their clients see (seed %i)', (seed) => {
    const { pick, random } = randomFrom(seed)
    const storage = createTestStorage()
    let shard = open(storage)
    const model = new Map<string, Change>()
    let offset = 0
    const change = (): Change => ({
      key: pick(KEYS),
      tenant: pick(['a', 'b']),
      recipients: random() < 0.3 ? pick([['u1'], ['u2'], ['u1', 'u2'], []]) : null,
      value: random() < 0.2 ? null : offset,
    })
    const commit = () => {
      const changes = Array.from({ length: 1 + Math.floor(random() * 3) }, change)
      const events = changes.map((one) => toEvent(one, offset++))
      shard.log.append([batchOf(events)], 0)
      for (const one of changes) model.set(one.key, one)
    }
    const before = Math.floor(random() * 5)
    for (let n = 0; n < before; n += 1)
      shard.log.append([batchOf([toEvent({ ...change(), key: 'older' }, offset++)])], 0)
    shard.store.create(TYPE, 1)
    shard.store.complete(TYPE, shard.log.head)
    const clients: Client[] = []
    for (let step = 0; step < 40; step += 1) {
      if (random() < 0.7) commit()
      if (random() < 0.1) shard = open(storage)
      if (random() < 0.2) {
        const client = new Client(`c${step}`, pick([null, 'u1', 'u2']), pick([null, 'a', 'b']))
        client.begin(shard, () => random() < 0.5 && commit())
        clients.push(client)
      }
      for (const client of clients) if (random() < 0.3) client.catchUp(shard.log)
    }
    for (const client of clients) {
      client.catchUp(shard.log)
      const expected = [...model]
        .filter(([, one]) => sees(client, one))
        .map(([key, { tenant, value }]) => [key, { tenant, value }])
      expect(new Map(client.table)).toEqual(new Map(expected as [string, unknown][]))
    }
    const index = new SubscriptionIndex<Client>()
    for (const client of clients) index.add(client)
    for (const event of shard.log.read(0, Infinity)) {
      const late = { ...event, seq: 1e9, ...(event.replacedBy && { replacedBy: { ...event.replacedBy, seq: 1e9 } }) }
      expect(index.match(late)).toEqual(new Set(clients.filter(({ filter }) => matchesFilter(filter, late))))
    }
  })

  it('write one row for each changed key and commit', () => {
    const storage = createTestStorage()
    const { log, store } = open(storage)
    store.create(TYPE, 1)
    store.complete(TYPE, log.head)
    const of = (value: number) => ({ key: 'k', tenant: 'a', recipients: null, value })
    log.append([batchOf([toEvent(of(1), 1), toEvent(of(2), 2), toEvent(of(3), 3)])], 0)
    expect(store.sizeOf(TYPE).rows).toBe(1)
    expect(store.read(TYPE, '', log.head).events.map(({ seq }) => seq)).toEqual([3])
  })

  it.each([
    { maxRows: 2, maxBytes: 1_000_000 },
    { maxRows: 100, maxBytes: 300 },
  ])('are given up when they are too large: %o', (given) => {
    const storage = createTestStorage()
    const shard = open(storage, given)
    shard.store.create(TYPE, 1)
    shard.store.complete(TYPE, 0)
    for (const [offset, key] of KEYS.entries())
      shard.log.append([batchOf([toEvent({ key, tenant: 'a', recipients: null, value: 1 }, offset)])], 0)
    expect([shard.tooLarge, shard.store.statusOf(TYPE), shard.store.sizeOf(TYPE)]).toEqual([
      [TYPE],
      'too_large',
      { rows: 0, bytes: 0 },
    ])
    expect(open(storage, given).store.statusOf(TYPE)).toBe('too_large')
  })

  it('take what was before only where nothing newer is known, in whatever order it comes', () => {
    const { log, store } = open(createTestStorage())
    store.create(TYPE, 1)
    const row = (key: string, offset: number, json = `{"o":${offset}}`) => ({
      key,
      offset,
      text: encoder.encode(json),
      fields: {},
      recipients: null,
    })
    log.append(
      [
        batchOf([
          toEvent({ key: 'live', tenant: 'a', recipients: null, value: 9 }, 9),
          toEvent({ key: 'gone', tenant: 'a', recipients: null, value: null }, 10),
        ]),
      ],
      0,
    )
    store.fill(TYPE, 'rig/0', [row('live', 1), row('gone', 2), row('a', 3), row('b', 4), row('b', 5, '')], log.head)
    store.fill(TYPE, 'rig/0', [row('a', 1), row('c', 6)], log.head)
    store.complete(TYPE, log.head)
    const rows = store.read(TYPE, '', log.head).events
    expect(rows.map(({ json }) => json)).toEqual([
      '{"o":3}',
      '{"o":6}',
      expect.stringContaining('"value":9') as unknown,
    ])
    expect(store.sizeOf(TYPE).rows).toBe(3)
  })

  it('do not keep what a failed append would have changed', () => {
    const storage = createTestStorage()
    const { log, store } = open(storage)
    store.create(TYPE, 1)
    store.complete(TYPE, 0)
    const of = (value: number) => ({ key: 'k', tenant: 'a', recipients: null, value })
    log.append([batchOf([toEvent(of(1), 1)])], 0)
    const before = store.read(TYPE, '', Infinity)
    storage.sql.exec("CREATE TRIGGER broken BEFORE INSERT ON segments_1 BEGIN SELECT RAISE(ABORT, 'disk'); END")
    expect(() => log.append([batchOf([toEvent(of(2), 2)])], 0)).toThrow('disk')
    storage.sql.exec('DROP TRIGGER broken')
    expect([store.read(TYPE, '', Infinity), store.sizeOf(TYPE).rows, log.head]).toEqual([before, 1, 1])
  })

  it('forget a user whose rows nobody else sees', () => {
    const { log, store } = open(createTestStorage())
    store.create(TYPE, 1)
    store.complete(TYPE, 0)
    const own = { key: 'own', tenant: 'a', recipients: ['u1'], value: 1 }
    log.append([batchOf([toEvent(own, 1), toEvent({ ...own, key: 'shared', recipients: ['u1', 'u2'] }, 2)])], 0)
    log.append([batchOf([toEvent({ ...own, key: 'shared', recipients: ['u2'], value: 2 }, 3)])], 0)
    log.eraseUser('u1')
    const events = log.read(0, Infinity)
    expect(JSON.stringify(events)).not.toContain('u1')
    expect(store.read(TYPE, '', log.head).events.map(({ recipients }) => recipients)).toEqual([['u2']])
  })
})

it('a table is forgotten when what decides its rows has changed', () => {
  const storage = createTestStorage()
  open(storage).store.create(TYPE, 1)
  expect(open(storage).store.types).toEqual([TYPE])
  expect(open(storage, limits, 'another').store.types).toEqual([])
  expect(open(storage).store.types).toEqual([])
})
