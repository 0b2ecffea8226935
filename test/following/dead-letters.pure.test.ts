import { expect, it } from 'vitest'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { DeadLetterBatch, DeadLetterLog } from '../../src/following/dead-letters.ts'

const record = (offset: number): LogRecord => ({
  topic: 'rig',
  partition: 0,
  offset,
  timestampMs: 5,
  key: null,
  headers: [],
  value: new Uint8Array(),
})

function batchOf(...codes: readonly ('tombstone' | 'not_utf8')[]) {
  const batch = new DeadLetterBatch('dead')
  for (const [offset, kind] of codes.entries()) batch.add(record(offset), { kind }, 'orders')
  return batch
}

it('counts the dead letters of a batch by reason, and describes the last one', () => {
  const reason = 'tombstone: the record has no value'
  const last = { code: 'tombstone', reason, rule: 'orders', offset: 2, timestampMs: 5 }
  const { letters, summary } = batchOf('tombstone', 'not_utf8', 'tombstone')
  expect(letters.map(({ topic }) => topic)).toEqual(['dead', 'dead', 'dead'])
  expect(summary).toEqual({
    count: 3,
    byReason: new Map<string, object>([
      ['tombstone', { count: 2, last }],
      ['not_utf8', { count: 1, last: expect.objectContaining({ offset: 1 }) as object }],
    ]),
    last,
  })
})

it('logs each reason once a minute, with the number since its last line', () => {
  const lines: string[] = []
  const log = new DeadLetterLog((_message, { code, count }) => lines.push(`${String(count)} ${String(code)}`))
  log.report(batchOf('tombstone', 'tombstone').summary, 0)
  log.report(batchOf('tombstone', 'not_utf8').summary, 1_000)
  log.report(batchOf('tombstone').summary, 59_999)
  expect(lines).toEqual(['2 tombstone', '1 not_utf8'])
  log.report(batchOf('tombstone').summary, 60_000)
  expect(lines).toEqual(['2 tombstone', '1 not_utf8', '3 tombstone'])
})
