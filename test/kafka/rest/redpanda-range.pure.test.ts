// Ends of a range, found by asking of single offsets.
import { expect, it } from 'vitest'
import { countFromZero, findRange } from '../../../src/kafka/rest/redpanda-range.ts'

function makeRange(earliest: number, latest: number) {
  const asked: number[] = []
  const ask = async (offset: number) => {
    asked.push(offset)
    return offset >= earliest && offset <= latest
  }
  return { ask, asked }
}

it.each([
  [0, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 1, 1, 0],
  [5, 5, 5, 0],
  [3, 1_000, 500, 0],
  [3, 1_000, 500, 3],
  [3, 1_000, 1_000, 1],
  [999_999, 1_000_000, 1_000_000, 0],
  [0, 123_456_789, 0, 0],
])(
  'a range from %i to %i is found from %i, known to begin at %i or later',
  async (earliest, latest, knownOffset, known) => {
    const { ask, asked } = makeRange(earliest, latest)
    expect(await findRange(ask, knownOffset, known)).toEqual({ earliest, latest })
    expect(asked.length).toBeLessThan(70)
  },
)

it.each([
  [0, 0],
  [1, 0],
  [6, 0],
  [6, 6],
  [7, 3],
])('%i are counted, of which %i were known', async (there, known) => {
  expect(await countFromZero(async (index) => index < there, known)).toBe(there)
})
