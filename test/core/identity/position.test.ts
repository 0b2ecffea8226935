import { describe, expect, it } from 'vitest'
import { formatPosition, parsePosition, shardOfPosition } from '../../../src/core/identity/position.ts'

describe('position', () => {
  it('is read as it was written, and names its shard', () => {
    const position = parsePosition(formatPosition('12.k3v9', 345))
    expect(position).toEqual({ epoch: '12.k3v9', seq: 345, openSeq: 345, isJoining: false })
    expect(parsePosition('12.k3v9-345-300*')).toMatchObject({ seq: 345, openSeq: 300, isJoining: true })
    expect(position && shardOfPosition(position)).toBe(12)
  })

  it.each(['', 'first_event', '1-2', '1.a-', '1.a-1.5', '1.a--1', '1.A-1', '1.a-1\n', 'x.a-1', '1.a-9999999999999999'])(
    'is undefined for %j',
    (text) => expect(parsePosition(text)).toBeUndefined(),
  )
})
