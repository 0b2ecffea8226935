// What a segment log costs in rows, what it reads when it starts, and what retention drops.
import { describe, expect, it } from 'vitest'
import { SegmentLog } from '../../src/segment-log/segment-log.ts'
import type { Retention } from '../../src/segment-log/slices.ts'
import { createTestStorage, type TestStorage } from '../support/sql-storage.ts'

const HOUR_MS = 3_600_000
const keepAll: Retention = { retentionMs: 24 * HOUR_MS, retentionBytes: 1_000_000_000 }

/** State: the sum of all metas. */
function open(storage: TestStorage, retention = keepAll): SegmentLog<number, { sum: number }> {
  return new SegmentLog<number, { sum: number }>(storage, {
    retention,
    initial: () => ({ sum: 0 }),
    fold: ({ sum }, meta) => ({ sum: sum + meta }),
  })
}

const segment = (meta: number, bytes = 100, count = 1) => ({ count, meta, heads: '[]', body: new Uint8Array(bytes) })
const metasOf = (log: ReturnType<typeof open>, position = log.floor) =>
  [...log.read(position)].map(({ meta }) => Number(meta))

function rowsOf(storage: TestStorage, work: () => void): number {
  const before = storage.rowsWritten()
  work()
  return storage.rowsWritten() - before
}

describe('an append', () => {
  it('writes one row', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([segment(1)], 0)
    expect(rowsOf(storage, () => log.append([segment(2)], 1))).toBe(1)
  })

  it('writes one row and a 64th, at most, over a thousand appends', () => {
    const storage = createTestStorage()
    const log = open(storage)
    const rows = rowsOf(storage, () => {
      for (let n = 0; n < 1_000; n += 1) log.append([segment(n)], n)
    })
    expect(rows).toBeLessThanOrEqual(1_000 + 1_000 / 64)
  })

  it('is all of its segments, or none of them', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([segment(1)], 0)
    const broken = { ...segment(4), heads: { length: 1 } as unknown as string }
    expect(() => log.append([segment(2), broken], 0)).toThrow('cannot be bound')
    expect([log.head, log.state, metasOf(log)]).toEqual([1, { sum: 1 }, [1]])
    log.append([segment(8)], 0)
    expect([open(storage).state, metasOf(log)]).toEqual([{ sum: 9 }, [1, 8]])
  })
})

describe('a restart', () => {
  it('knows head, floor, bytes and state', () => {
    const storage = createTestStorage()
    const log = open(storage, { ...keepAll, retentionBytes: 8_000 })
    for (let n = 1; n <= 300; n += 1) log.append([segment(n, 100, 2)], n)
    const again = open(storage, { ...keepAll, retentionBytes: 8_000 })
    expect(again.floor).toBeGreaterThan(0)
    expect([again.head, again.floor, again.bytes, again.state]).toEqual([600, log.floor, log.bytes, { sum: 45_150 }])
    expect(metasOf(again)).toEqual(metasOf(log))
  })

  it('reads no more of a long log than of a short one', () => {
    const statementsOfStart = (appends: number) => {
      const storage = createTestStorage()
      const log = open(storage)
      for (let n = 0; n < appends; n += 1) log.append([segment(n)], n)
      const read: number[] = []
      const before = storage.statements()
      const { fold } = { fold: (state: { sum: number }, meta: number) => (read.push(meta), state) }
      void new SegmentLog(storage, { retention: keepAll, initial: () => ({ sum: 0 }), fold })
      return [storage.statements() - before, read.length < 128]
    }
    expect(statementsOfStart(4_000)).toEqual(statementsOfStart(10))
  })

  it('knows a head that was only advanced, and a state that was only set', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([segment(1)], 0)
    log.advance()
    log.setState({ sum: 7 })
    expect([open(storage).head, open(storage).state]).toEqual([2, { sum: 7 }])
  })
})

describe('retention', () => {
  it('drops segments without writing a row for each', () => {
    const storage = createTestStorage()
    const log = open(storage, { ...keepAll, retentionMs: HOUR_MS })
    for (let n = 0; n < 500; n += 1) log.append([segment(n)], n)
    expect(rowsOf(storage, () => log.trim(2 * HOUR_MS))).toBeLessThanOrEqual(2)
    expect([log.floor, log.head, log.bytes, metasOf(log)]).toEqual([500, 500, 0, []])
  })

  it('drops what has expired while nothing is appended, and keeps head and state over a restart', () => {
    const storage = createTestStorage()
    const log = open(storage, { ...keepAll, retentionMs: HOUR_MS })
    for (let n = 1; n <= 3; n += 1) log.append([segment(n)], 0)
    expect(log.trim(HOUR_MS)).toBe(false)
    expect(log.trim(HOUR_MS + 1)).toBe(true)
    const again = open(storage, { ...keepAll, retentionMs: HOUR_MS })
    expect([again.head, again.floor, again.state]).toEqual([3, 3, { sum: 6 }])
    again.append([segment(4)], 2 * HOUR_MS)
    expect([again.head, metasOf(again)]).toEqual([4, [4]])
  })

  it('keeps a segment for the retention time, and an eighth longer at most', () => {
    const log = open(createTestStorage(), { ...keepAll, retentionMs: HOUR_MS })
    for (let minute = 0; minute < 120; minute += 1) {
      log.append([segment(minute)], minute * 60_000)
      const [oldest = 0] = metasOf(log)
      expect(oldest).toBeLessThanOrEqual(Math.max(0, minute - 60))
      expect(oldest).toBeGreaterThanOrEqual(minute - 69)
    }
  })

  it('keeps what was just appended, however large it is', () => {
    const log = open(createTestStorage(), { ...keepAll, retentionBytes: 1_000 })
    for (let n = 0; n < 3; n += 1) log.append([segment(n, 5_000)], n)
    expect(metasOf(log)).toEqual([2])
  })
})

describe('reading', () => {
  it('begins after any position, and goes through all slices', () => {
    const log = open(createTestStorage(), { ...keepAll, retentionBytes: 400_000 })
    for (let n = 0; n < 300; n += 1) log.append([segment(n, 1_000, 10)], n)
    expect(log.floor).toBe(0)
    for (const position of [0, 5, 10, 995, 2_990, 3_000]) {
      const first = Math.floor(position / 10)
      expect(metasOf(log, position)).toEqual(Array.from({ length: 300 - first }, (_, n) => first + n))
    }
  })
})

describe('times', () => {
  it('find the same segments as reading all of them, over slices and after retention', () => {
    const storage = createTestStorage()
    const log = open(storage, { retentionMs: 40_000, retentionBytes: 1_000_000 })
    const appended: { readonly position: number; readonly ms: number }[] = []
    for (let n = 0; n < 300; n += 1) {
      // Several in one millisecond, then a gap.
      const ms = Math.floor(n / 3) * 700
      const [position = 0] = log.append([segment(n, 100, 1 + (n % 2))], ms)
      appended.push({ position, ms })
    }
    const kept = appended.filter(({ position }) => position > log.floor)
    expect(kept.length).toBeLessThan(appended.length)
    for (let ms = -700; ms < 75_000; ms += 350) {
      const before = kept.filter((one) => one.ms < ms).at(-1)?.position ?? log.floor
      expect([ms, log.times.positionBefore(ms)]).toEqual([ms, before])
    }
    for (let position = log.floor; position <= log.head; position += 1)
      expect(log.times.appendedAfterMs(position)).toBe(kept.find((one) => one.position > position)?.ms)
  })
})

describe('rewriting', () => {
  it('replaces records, and keeps positions, bytes and state, also after a restart', () => {
    const storage = createTestStorage()
    const log = open(storage, { ...keepAll, retentionBytes: 4_000 })
    for (let n = 0; n < 5; n += 1) log.append([segment(n, 500)], n)
    const seen: number[] = []
    log.rewrite(({ meta }) => {
      seen.push(Number(meta))
      return Number(meta) % 2 === 0 ? { heads: '[1]', body: new Uint8Array(100) } : undefined
    })
    expect(seen).toEqual([0, 1, 2, 3, 4])
    for (const each of [log, open(storage, { ...keepAll, retentionBytes: 4_000 })]) {
      expect([each.head, each.state, metasOf(each), each.bytes]).toEqual([5, { sum: 10 }, seen, 3 * 103 + 2 * 502])
      expect([...each.read(0)].map(({ body }) => body.length)).toEqual([100, 500, 100, 500, 100])
    }
  })

  it('is all or nothing', () => {
    const storage = createTestStorage()
    const log = open(storage)
    log.append([segment(0, 500), segment(1, 500)], 0)
    const fail = () =>
      log.rewrite(({ meta }) => {
        if (meta === '1') throw new Error('no')
        return { heads: '[]', body: new Uint8Array(1) }
      })
    expect(fail).toThrow('no')
    expect([...log.read(0)].map(({ body }) => body.length)).toEqual([500, 500])
    expect(log.bytes).toBe(1_004)
  })
})
