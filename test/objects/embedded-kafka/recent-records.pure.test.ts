import { describe, expect, it } from 'vitest'
import { RecentRecords } from '../../../src/objects/embedded-kafka/recent-records.ts'

const record = (offset: number, bytes = 10) => ({
  topic: 'rig',
  partition: 0,
  offset,
  timestampMs: 1,
  key: null,
  headers: [],
  value: new Uint8Array(bytes),
})
const offsets = (recent: RecentRecords, offset: number, maxBytes = 1_000_000) =>
  recent.read(offset, maxBytes)?.map((one) => one.offset)

describe('recent records', () => {
  it('are read from an offset on, as far as the bytes go, and at least one', () => {
    const recent = new RecentRecords()
    recent.push([record(5), record(6), record(7)])
    expect([offsets(recent, 5), offsets(recent, 6), offsets(recent, 5, 20), offsets(recent, 6, 1)]).toEqual([
      [5, 6, 7],
      [6, 7],
      [5, 6],
      [6],
    ])
  })

  it('say when an offset is not among them: the log has to be read', () => {
    const recent = new RecentRecords()
    expect(offsets(recent, 0)).toBeUndefined()
    recent.push([record(5), record(6)])
    recent.dropBefore(6)
    expect([offsets(recent, 5), offsets(recent, 6)]).toEqual([undefined, [6]])
    recent.dropBefore(7)
    expect(offsets(recent, 6)).toBeUndefined()
  })

  it('are bounded in bytes: a follower that is behind reads the log', () => {
    const recent = new RecentRecords()
    for (let offset = 0; offset < 5; offset += 1) recent.push([record(offset, 1_000_000)])
    expect(offsets(recent, 0)).toBeUndefined()
    recent.push([record(5)])
    expect([offsets(recent, 4), offsets(recent, 5)]).toEqual([undefined, [5]])
  })
})
