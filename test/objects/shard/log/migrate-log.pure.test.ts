// A log that an older version of Rigel made is migrated: its tables as that version made them.
import { describe, expect, it } from 'vitest'
import { encodeBatches, type AppendBatch } from '../../../../src/core/delivery/batch-codec.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

const retention = { retentionMs: 3_600_000, retentionBytes: 1_000_000 }

function batch(offsets: readonly number[]): AppendBatch {
  const events = offsets.map((offset) => {
    const utf8 = new TextEncoder().encode(JSON.stringify({ id: String(offset) }))
    return { offset, type: 'greeting', utf8, fields: {}, recipients: null }
  })
  return { topic: 'rig', partition: 3, generation: 2, packs: encodeBatches(events) }
}

/** As of 2026-11-26: eight events, of which the first three have been trimmed. */
function oldStorage(offsets: readonly (readonly number[])[]) {
  const storage = createTestStorage()
  storage.sql.exec(`
    CREATE TABLE log (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, head INTEGER NOT NULL, floor INTEGER NOT NULL);
    CREATE TABLE segments (
      last_seq INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, appended_ms INTEGER NOT NULL,
      bytes INTEGER NOT NULL, heads TEXT NOT NULL, body BLOB NOT NULL
    );
    CREATE TABLE seen (
      topic TEXT NOT NULL, partition INTEGER NOT NULL, generation INTEGER NOT NULL, next_offset INTEGER NOT NULL,
      PRIMARY KEY (topic, partition)
    ) WITHOUT ROWID;
    INSERT INTO log VALUES (0, '7.abc', 8, 3);
    INSERT INTO seen VALUES ('rig', 3, 2, 108);
  `)
  let seq = 3
  for (const some of offsets) {
    for (const { count, heads, body } of batch(some).packs) {
      const values = [seq + count, seq + 1, 5_000, heads.length + body.length, heads, body.slice().buffer]
      storage.sql.exec('INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)', ...values)
      seq += count
    }
  }
  return storage
}

const read = (log: LogStore, seq = log.floor) =>
  log.read(seq, 10_000_000).map((event) => [event.seq, Number((JSON.parse(event.json) as { id: string }).id)])

describe('a shard’s log of the older layout', () => {
  it('keeps its events, positions and what it has seen', () => {
    const storage = oldStorage([
      [103, 104],
      [105, 106, 107],
    ])
    const log = new LogStore(storage, '7.new', retention)
    expect([log.epoch, log.head, log.floor]).toEqual(['7.abc', 8, 3])
    expect(read(log)).toEqual([
      [4, 103],
      [5, 104],
      [6, 105],
      [7, 106],
      [8, 107],
    ])
    expect(read(log, 5)).toEqual([
      [6, 105],
      [7, 106],
      [8, 107],
    ])
    log.append([batch([106, 107]), batch([107, 108])], 6_000)
    expect(read(log, 7)).toEqual([
      [8, 107],
      [9, 108],
    ])
    expect(log.resumable('7.abc-4')).toBe(4)
    expect(log.resumable('7.abc-2')).toBeUndefined()
    const again = new LogStore(storage, '7.new', retention)
    expect([again.head, read(again, 7)]).toEqual([
      9,
      [
        [8, 107],
        [9, 108],
      ],
    ])
  })

  it('drops old events when their time has come', () => {
    const log = new LogStore(
      oldStorage([
        [103, 104],
        [105, 106, 107],
      ]),
      '7.new',
      retention,
    )
    log.append([batch([108])], 5_000 + retention.retentionMs + 1)
    expect([log.floor, read(log)]).toEqual([8, [[9, 108]]])
  })

  it('of which everything was trimmed goes on where it was', () => {
    const log = new LogStore(oldStorage([]), '7.new', retention)
    log.append([batch([107]), batch([108])], 6_000)
    expect([log.head, read(log, 8)]).toEqual([9, [[9, 108]]])
  })
})
