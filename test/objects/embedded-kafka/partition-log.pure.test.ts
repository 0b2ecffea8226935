// What a partition costs in rows, where its checkpoint is, and how an older layout is migrated.
import { describe, expect, it } from 'vitest'
import { encodeSegment } from '../../../src/objects/embedded-kafka/segment.ts'
import { PartitionLog } from '../../../src/objects/embedded-kafka/partition-log.ts'
import { createTestStorage, type TestStorage } from '../../support/sql-storage.ts'

const HOUR_MS = 3_600_000
const retention = { retentionMs: HOUR_MS, retentionBytes: 1_000_000, dedupe: { windowMs: HOUR_MS, maxKeys: 100 } }
const at = { topic: 'rig', partition: 0 }
const bytes = (text: string) => new TextEncoder().encode(text)
const record = (value: string) => ({ timestampMs: 1, key: null, headers: [], value: bytes(value) })
const checkpoint = (offset: number) => ({
  offset,
  generation: 0,
  topicId: null,
  records: offset,
  deadLetters: 0,
  lost: 0,
  dropped: 0,
})

const open = (storage: TestStorage) => new PartitionLog(storage, at, retention)

function read(log: PartitionLog, offset: number): readonly string[] {
  const fetched = log.read(offset, 10_000_000)
  return fetched.kind === 'records'
    ? fetched.records.map((one) => `${one.offset}:${new TextDecoder().decode(one.value ?? new Uint8Array())}`)
    : [fetched.kind]
}

describe('an append to a partition', () => {
  it('is one row, with the checkpoint in it, however many requests share it', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([[record('a')]], 0)
    log.moveCheckpoint(checkpoint(1))
    const before = storage.rowsWritten()
    const places = log.append([[record('b')], [record('c'), record('d')]], 0)
    expect(storage.rowsWritten() - before).toBe(1)
    expect(places.map((some) => some.map(({ offset }) => offset))).toEqual([[1], [2, 3]])
    const again = open(storage)
    expect([again.checkpoint, read(again, 0)]).toEqual([checkpoint(1), ['0:a', '1:b', '2:c', '3:d']])
  })

  it('leaves a checkpoint that moved afterwards to the next append, or to be stored by itself', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([[record('a')]], 0)
    log.moveCheckpoint(checkpoint(1))
    expect([log.isCheckpointStored, open(storage).checkpoint]).toEqual([false, null])
    log.storeCheckpoint()
    expect([log.isCheckpointStored, open(storage).checkpoint]).toEqual([true, checkpoint(1)])
  })

  it('that fails leaves nothing behind, and the checkpoint still to be stored', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([[record('a')]], 0)
    log.moveCheckpoint(checkpoint(1))
    storage.sql.exec("CREATE TRIGGER crash BEFORE INSERT ON segments_1 BEGIN SELECT RAISE(ABORT, 'crash'); END")
    expect(() => log.append([[record('b')]], 0)).toThrow('crash')
    storage.sql.exec('DROP TRIGGER crash')
    expect([log.offsets(), log.isCheckpointStored]).toEqual([{ earliest: 0, latest: 1 }, false])
    log.append([[record('c')]], 0)
    expect([read(open(storage), 0), open(storage).checkpoint]).toEqual([['0:a', '1:c'], checkpoint(1)])
  })
})

describe('a partition of which everything was trimmed', () => {
  it('goes on with the next offset and its checkpoint after a restart', () => {
    const storage = createTestStorage()
    const before = open(storage)
    before.append([[record('a'), record('b')]], 0)
    before.moveCheckpoint(checkpoint(2))
    before.storeCheckpoint()
    before.trim(HOUR_MS + 1)
    const log = open(storage)
    expect([log.offsets(), log.checkpoint]).toEqual([{ earliest: 2, latest: 2 }, checkpoint(2)])
    expect(read(log, 0)).toEqual(['offset_out_of_range'])
    log.append([[record('c')]], HOUR_MS + 2)
    expect(read(log, 2)).toEqual(['2:c'])
  })
})

describe('a partition of the older layout', () => {
  it('keeps its records, offsets and idempotency keys', () => {
    const storage = createTestStorage()
    storage.sql.exec(`
      CREATE TABLE partition (id INTEGER PRIMARY KEY, next_offset INTEGER NOT NULL);
      INSERT INTO partition VALUES (0, 5);
      CREATE TABLE segments (
        next_offset INTEGER PRIMARY KEY, first_offset INTEGER NOT NULL, appended_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL, heads TEXT NOT NULL, body BLOB NOT NULL
      );
      CREATE TABLE idempotency_keys (first_offset INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, keys TEXT NOT NULL);
      INSERT INTO idempotency_keys VALUES (4, 1000, '["k"]');
    `)
    for (const [next, first, values] of [
      [4, 2, ['c', 'd']],
      [5, 4, ['e']],
    ] as const) {
      const { heads, body } = encodeSegment(values.map((value) => record(value)))
      const row = [next, first, 1_000, heads.length + body.length, heads, body.slice().buffer]
      storage.sql.exec('INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)', ...row)
    }
    const log = open(storage)
    expect([log.offsets(), read(log, 3)]).toEqual([{ earliest: 2, latest: 5 }, ['3:d', '4:e']])
    expect(log.append([[{ ...record('e'), idempotencyKey: 'k' }, record('f')]], 2_000)).toEqual([
      [
        { offset: 4, duplicate: true },
        { offset: 5, duplicate: false },
      ],
    ])
    expect(read(open(storage), 4)).toEqual(['4:e', '5:f'])
  })
})
