import { describe, expect, it } from 'vitest'
import { splitBySize } from '../../src/core/split-by-size.ts'

const split = (sizes: readonly number[], max: number) => [...splitBySize(sizes, (size) => size, max)]

describe('splitBySize', () => {
  it('keeps the order and fills each part up to the limit', () => {
    expect(split([3, 4, 3, 5, 5, 1], 10)).toEqual([[3, 4, 3], [5, 5], [1]])
  })

  it('makes a part of its own for an item that is larger than the limit', () => {
    expect(split([1, 99, 1], 10)).toEqual([[1], [99], [1]])
  })

  it('ends a part only where it may', () => {
    const mayPart = (before: number, after: number) => before !== after
    expect([...splitBySize([4, 4, 4, 3, 9], (size) => size, 10, mayPart)]).toEqual([[4, 4, 4], [3], [9]])
  })

  it('yields nothing for nothing', () => {
    expect(split([], 10)).toEqual([])
  })
})
