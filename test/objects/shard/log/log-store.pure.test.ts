// Retention of a shard's log, what it drops as seen, and what it knows after a restart.
import { describe, expect, it } from 'vitest'
import { encodeBatches, type AppendBatch } from '../../../../src/core/delivery/batch-codec.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { createTestStorage, type TestStorage } from '../../../support/sql-storage.ts'

const HOUR_MS = 3_600_000
const retention = { retentionMs: HOUR_MS, retentionBytes: 100_000 }

function open(storage: TestStorage, limits = retention): LogStore {
  return new LogStore(storage, '0.life', limits)
}

function batch(offsets: readonly number[], { bytes = 10, partition = 0, generation = 0 } = {}): AppendBatch {
  const events = offsets.map((offset) => {
    const utf8 = new TextEncoder().encode(JSON.stringify({ id: String(offset), data: 'x'.repeat(bytes) }))
    return { offset, type: 'greeting', utf8, fields: {}, recipients: null }
  })
  return { topic: 'rig', partition, generation, packs: encodeBatches(events) }
}

const idsOf = (log: LogStore, after = 0) =>
  log.read(after, 10_000_000).map(({ json }) => Number((JSON.parse(json) as { id: string }).id))

describe('a shard’s log', () => {
  it('stores an event once, however often its batch comes', () => {
    const log = open(createTestStorage())
    const stored = [batch([0, 1]), batch([0, 1]), batch([1, 2]), batch([2])].map((one) => log.append([one], 0).length)
    expect(stored).toEqual([1, 0, 1, 0])
    expect(idsOf(log)).toEqual([0, 1, 2])
  })

  it('knows each partition’s offsets apart, and drops what is of an older generation', () => {
    const log = open(createTestStorage())
    log.append([batch([5])], 0)
    log.append([batch([0], { partition: 1 })], 0)
    log.append([batch([1], { generation: 1 })], 0)
    log.append([batch([9])], 0)
    expect(idsOf(log)).toEqual([5, 0, 1])
  })

  it('goes on after a restart with the same head, positions and offsets', () => {
    const storage = createTestStorage()
    const before = open(storage)
    before.append([batch([0, 1, 2])], 0)
    const again = new LogStore(storage, '0.another', retention)
    again.append([batch([1, 2, 3])], 0)
    expect([again.head, again.epoch, idsOf(again)]).toEqual([4, '0.life', [0, 1, 2, 3]])
  })

  it('drops the oldest events when there are too many bytes, and says from where it can be read', () => {
    const log = open(createTestStorage())
    for (let offset = 0; offset < 40; offset += 1) log.append([batch([offset], { bytes: 10_000 })], 0)
    const ids = idsOf(log, log.floor)
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, n) => 40 - ids.length + n))
    expect(ids.length).toBeGreaterThanOrEqual(8)
    expect(ids.length).toBeLessThanOrEqual(12)
    expect(log.resumable(log.position(log.floor))).toBe(log.floor)
    expect(log.resumable(log.position(log.floor - 1))).toBeUndefined()
  })

  it('drops events that are past the retention time', () => {
    const log = open(createTestStorage())
    log.append([batch([0])], 0)
    log.append([batch([1])], HOUR_MS / 2)
    log.append([batch([2])], HOUR_MS + 2_000)
    expect([log.floor, idsOf(log, log.floor)]).toEqual([1, [1, 2]])
  })

  it('undoes an append of which a part cannot be stored', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([batch([0])], 0)
    const broken: AppendBatch = { ...batch([2], { partition: 1 }), topic: undefined as unknown as string }
    const noHeads = {
      ...broken,
      packs: broken.packs.map((pack) => ({ ...pack, heads: { length: 1 } as unknown as string })),
    }
    expect(() => log.append([batch([1]), noHeads], 0)).toThrow('cannot be bound')
    expect([log.head, idsOf(log)]).toEqual([1, [0]])
    log.append([batch([1])], 0)
    expect([open(storage).head, idsOf(log)]).toEqual([2, [0, 1]])
  })

  it('refuses a position that is of another log, ahead of its own, or none at all', () => {
    const log = open(createTestStorage())
    log.append([batch([0])], 0)
    const positions = [log.position(1), log.position(2), '0.other-1', 'garbage', '']
    expect(positions.map((position) => log.resumable(position))).toEqual([
      1,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('a shard’s log of which everything was trimmed', () => {
  it('still drops an old batch that is sent again after a restart', () => {
    const storage = createTestStorage()
    const before = open(storage)
    before.append([batch([0, 1]), batch([5], { partition: 1, generation: 3 })], 0)
    before.trim(2 * HOUR_MS)
    const log = open(storage)
    expect([log.head, log.floor, idsOf(log, 3)]).toEqual([3, 3, []])
    expect(log.append([batch([0, 1]), batch([5], { partition: 1, generation: 3 })], 2 * HOUR_MS)).toEqual([])
    log.append([batch([1, 2])], 2 * HOUR_MS)
    expect(idsOf(log, 3)).toEqual([2])
  })
})

describe('finding an event by its place in a topic', () => {
  const at = (offset: number, partition = 0) => ({ topic: 'rig', partition, offset })

  it('knows when it was stored, and where', () => {
    const log = open(createTestStorage())
    log.append([batch([3, 5]), batch([4], { partition: 1 })], 1_000)
    expect(log.find(at(5))).toMatchObject({ kind: 'stored', storedMs: 1_000, event: { seq: 2, type: 'greeting' } })
    expect(log.find(at(4, 1))).toMatchObject({ kind: 'stored', event: { seq: 3 } })
    for (const place of [at(4), at(9), at(1)]) expect(log.find(place)).toEqual({ kind: 'not_stored' })
  })

  it('tells what retention removed from what was never stored', () => {
    const log = open(createTestStorage())
    for (let offset = 0; offset < 20; offset += 2) log.append([batch([offset], { bytes: 20_000 })], offset)
    expect(log.floor).toBeGreaterThan(0)
    expect(log.find(at(0))).toEqual({ kind: 'removed', floor: log.floor })
    expect(log.find(at(17))).toEqual({ kind: 'not_stored' })
    expect(log.find(at(18)).kind).toBe('stored')
  })

  it('takes the newest of a topic that was created anew', () => {
    const log = open(createTestStorage())
    log.append([batch([0])], 1)
    log.append([batch([0], { generation: 1 })], 2)
    expect(log.find(at(0))).toMatchObject({ storedMs: 2 })
  })
})

describe('erasing a user', () => {
  const eventFor = (offset: number, recipients: readonly string[] | null) => ({
    offset,
    type: 'greeting',
    utf8: new TextEncoder().encode(JSON.stringify({ id: String(offset), text: 'grüße' })),
    fields: { name: 'x' },
    recipients,
  })
  const toUsers = (...lists: readonly (readonly string[] | null)[]): AppendBatch => ({
    topic: 'rig',
    partition: 0,
    generation: 0,
    packs: encodeBatches(lists.map((recipients, offset) => eventFor(offset, recipients))),
  })

  it('removes what is only for the user, and leaves positions, other events and what was seen', () => {
    const storage = createTestStorage()
    const before = open(storage)
    const events = toUsers(['alice'], ['bob'], null, ['alice', 'bob'], ['alic'], ['Alice'])
    before.append([events], 0)
    expect(before.eraseUser('alice')).toEqual({ erased: 1, shared: 1 })
    const log = open(storage)
    const text = (id: number) => JSON.stringify({ id: String(id), text: 'grüße' })
    expect(log.read(0, 10_000).map(({ json, recipients, seq }) => [seq, recipients, json])).toEqual([
      [1, [], ''],
      [2, ['bob'], text(1)],
      [3, null, text(2)],
      [4, ['bob'], text(3)],
      [5, ['alic'], text(4)],
      [6, ['Alice'], text(5)],
    ])
    expect(log.read(0, 10_000)[0]?.fields).toEqual({})
    expect(log.append([events], 0)).toEqual([])
    expect(log.eraseUser('alice')).toEqual({ erased: 0, shared: 0 })
  })

  it('removes Rigel’s own events that say whose a connection is', () => {
    const log = open(createTestStorage())
    for (const user of ['alice', 'bob'])
      log.appendOwn('c1', 'rig.connection.create', JSON.stringify({ data: { user } }), 0)
    expect(log.eraseUser('alice')).toEqual({ erased: 1, shared: 0 })
    expect(log.read(0, 10_000).map(({ connectionId, json }) => [connectionId, json])).toEqual([
      [null, ''],
      ['c1', '{"data":{"user":"bob"}}'],
    ])
  })
})

describe('what another shard’s log does not have', () => {
  const offsetsOf = (events: ReturnType<LogStore['readUncovered']>) => events.map(({ offset }) => offset)

  it('is the last batch of a partition, while it is under way', () => {
    const log = open(createTestStorage())
    log.append([batch([0])], 0)
    log.append([batch([1, 2])], 0)
    expect(offsetsOf(log.readUncovered({ 'rig/0': [0, 1] }, log.end))).toEqual([1, 2])
    expect(offsetsOf(log.readUncovered({ 'rig/0': [0, 3] }, log.end))).toEqual([])
  })

  it('is every batch that came after the other log was asked, too', () => {
    const log = open(createTestStorage())
    log.append([batch([0])], 0)
    const before = log.end
    log.append([batch([1])], 0)
    log.append([batch([0], { partition: 1 })], 0)
    log.append([batch([2])], 0)
    expect(offsetsOf(log.readUncovered({ 'rig/0': [0, 0] }, before))).toEqual([0, 1, 0, 2])
    expect(offsetsOf(log.readUncovered({ 'rig/0': [0, 2] }, before))).toEqual([0, 2])
  })
})
