import { expect, it } from 'vitest'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { hasGap, splitAtLost } from '../../src/sources/nats/stream-gaps.ts'

const record = (offset: number): LogRecord => ({
  topic: 'nats:orders',
  partition: 0,
  offset,
  timestampMs: 0,
  key: null,
  headers: [],
  value: null,
})

/** `[at, end, offsets]`; null for what may be lost. */
const split = (from: number, offsets: readonly number[], earliest: number) =>
  splitAtLost(from, offsets.map(record), earliest).map(({ at, end, records }) => [
    at,
    end,
    records?.map(({ offset }) => offset) ?? null,
  ])

it.each([
  [3, [3, 4, 5], false],
  [3, [4, 5], true],
  [3, [3, 5], true],
  [3, [], false],
])('from %d: %j has a gap: %j', (from, offsets, expected) => {
  expect(hasGap(from, offsets.map(record))).toBe(expected)
})

it.each([
  ['nothing is lost where the stream still has the gap', 3, [3, 7, 9], 1, [[3, 10, [3, 7, 9]]]],
  [
    'a gap at the start',
    3,
    [7, 8],
    7,
    [
      [3, 7, null],
      [7, 9, [7, 8]],
    ],
  ],
  [
    'a gap in the middle',
    3,
    [3, 4, 9],
    9,
    [
      [3, 5, [3, 4]],
      [5, 9, null],
      [9, 10, [9]],
    ],
  ],
  [
    'a gap of which the stream has the end',
    3,
    [3, 9],
    6,
    [
      [3, 4, [3]],
      [4, 6, null],
      [6, 10, [9]],
    ],
  ],
  ['records that are gone by now were read all the same', 3, [3, 4, 5], 90, [[3, 6, [3, 4, 5]]]],
  [
    'two gaps',
    1,
    [2, 4],
    90,
    [
      [1, 2, null],
      [2, 3, [2]],
      [3, 4, null],
      [4, 5, [4]],
    ],
  ],
])('%s', (_name, from, offsets, earliest, expected) => {
  expect(split(from, offsets, earliest)).toEqual(expected)
})
