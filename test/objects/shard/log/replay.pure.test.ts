// A reader that is behind reads on in chunks, and is told when retention has overtaken it: never a silent gap.
import { describe, expect, it } from 'vitest'
import { encodeBatches, type AppendBatch } from '../../../../src/core/delivery/batch-codec.ts'
import { createFilter } from '../../../../src/core/subscriptions/filter.ts'
import { CommittedLog } from '../../../../src/objects/shard/log/committed-log.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { readNextChunk } from '../../../../src/objects/shard/log/replay.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

const filter = createFilter('c', null, [{ eventType: 'greeting', oneOf: [] }])
const retention = { retentionMs: 3_600_000, retentionBytes: 100_000 }

function openLog(storage = createTestStorage(), clock = { nowMs: 0 }) {
  const delivered: number[] = []
  const log = new CommittedLog(new LogStore(storage, '0.life', retention), {
    sync: () => storage.sync(),
    isGated: () => false,
    now: () => clock.nowMs,
    deliver: (segments) => delivered.push(...segments.map(({ lastSeq }) => lastSeq)),
    schedule: () => undefined,
    pause: async () => undefined,
  })
  return { log, delivered, storage }
}

function batch(offset: number, type = 'greeting', bytes = 10_000): AppendBatch {
  const utf8 = new TextEncoder().encode(JSON.stringify({ id: String(offset), data: 'x'.repeat(bytes) }))
  return {
    topic: 'rig',
    partition: 0,
    generation: 0,
    packs: encodeBatches([{ offset, type, utf8, fields: {}, recipients: null }]),
  }
}

describe('a reader that is behind', () => {
  it('reads everything that passes its filter, in chunks, in order', async () => {
    const { log } = openLog()
    for (let offset = 0; offset < 9; offset += 1)
      await log.append([batch(offset, offset % 3 === 0 ? 'other' : 'greeting')])
    const seqs: number[] = []
    let seq = 0
    for (let chunks = 0; chunks < 20; chunks += 1) {
      const chunk = readNextChunk(log, filter, seq)
      if (chunk.kind === 'trimmed') throw new Error('nothing was trimmed')
      seqs.push(...chunk.events.map((event) => event.seq))
      seq = chunk.seq
      if (chunk.atEnd) break
    }
    expect([seqs, seq]).toEqual([[2, 3, 5, 6, 8, 9], 9])
  })

  it('is told when retention drops what it has not read, and never gets events behind a gap', async () => {
    const { log } = openLog()
    await log.append([batch(0)])
    const first = readNextChunk(log, filter, 0)
    expect(first).toMatchObject({ kind: 'events', seq: 1 })
    for (let offset = 1; offset < 40; offset += 1) await log.append([batch(offset)])
    expect(log.floorSeq).toBeGreaterThan(1)
    expect(readNextChunk(log, filter, 1)).toEqual({ kind: 'trimmed' })
    const fromFloor = readNextChunk(log, filter, log.floorSeq)
    expect(fromFloor.kind === 'events' && fromFloor.events[0]?.seq).toBe(log.floorSeq + 1)
  })

  it('that comes back with a position from before the floor is not resumed', async () => {
    const { log } = openLog()
    for (let offset = 0; offset < 40; offset += 1) await log.append([batch(offset)])
    expect(log.resumable(log.position(log.floorSeq))).toBe(log.floorSeq)
    expect(log.resumable(log.position(log.floorSeq - 1))).toBeUndefined()
  })

  it('that comes back when everything is past the retention time is not resumed, though nothing was appended', async () => {
    const clock = { nowMs: 0 }
    const { log } = openLog(createTestStorage(), clock)
    for (let offset = 0; offset < 3; offset += 1) await log.append([batch(offset)])
    const [oldest, newest] = [log.position(1), log.position(3)]
    clock.nowMs = retention.retentionMs
    expect(log.resumable(oldest)).toBe(1)
    clock.nowMs += 1
    expect([log.resumable(oldest), log.resumable(newest)]).toEqual([undefined, 3])
    expect(readNextChunk(log, filter, 1)).toEqual({ kind: 'trimmed' })
  })

  it('is not given what is stored but not yet durable', async () => {
    const { log, storage, delivered } = openLog()
    await log.append([batch(0)])
    const release = storage.holdSync()
    const appended = log.append([batch(1)])
    const before = readNextChunk(log, filter, 0)
    expect(before.kind === 'events' && before.events.map(({ seq }) => seq)).toEqual([1])
    expect(delivered).toEqual([1])
    release()
    await appended
    const after = readNextChunk(log, filter, 0)
    expect(after.kind === 'events' && after.events.map(({ seq }) => seq)).toEqual([1, 2])
    expect(delivered).toEqual([1, 2])
  })

  it('is not given again what it was sent by its earlier filter', async () => {
    const { log } = openLog()
    for (let offset = 0; offset < 4; offset += 1)
      await log.append([batch(offset, offset < 2 ? 'greeting' : 'other', 10)])
    const wider = createFilter('c', null, [
      { eventType: 'greeting', oneOf: [] },
      { eventType: 'other', oneOf: [] },
    ])
    const chunk = readNextChunk(log, wider, 0, { filter, untilSeq: 4 })
    expect(chunk.kind === 'events' && chunk.events.map(({ seq }) => seq)).toEqual([3, 4])
  })
})
