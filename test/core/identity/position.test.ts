import { describe, expect, it } from 'vitest'
import {
  formatPosition,
  parsePosition,
  shardOfPosition,
  withOpenBefore,
  withProof,
} from '../../../src/core/identity/position.ts'

describe('position', () => {
  it('names what is open in the log of another shard', () => {
    const text = withOpenBefore(formatPosition('5.b', 7), { epoch: '2.a', seq: 3 })
    expect(text).toBe('5.b-7~2.a-3')
    expect(parsePosition(text)).toEqual({
      epoch: '5.b',
      seq: 7,
      openSeq: 7,
      openBefore: { epoch: '2.a', seq: 3 },
      isJoining: false,
    })
  })

  it('is read as it was written, and names its shard', () => {
    const position = parsePosition(formatPosition('12.k3v9', 345))
    expect(position).toEqual({ epoch: '12.k3v9', seq: 345, openSeq: 345, openBefore: null, isJoining: false })
    expect(parsePosition('12.k3v9-345-300*')).toMatchObject({ seq: 345, openSeq: 300, isJoining: true })
    expect(position && shardOfPosition(position)).toBe(12)
  })

  it('says what was signed, and since when its client has come', () => {
    const signature = '0123456789abcdef'
    const signed = withProof('5.b-7-3~2.a-3', signature, 6)
    expect(signed).toBe(`5.b-7-3~2.a-3.${signature}.6`)
    const proof = { body: '5.b-7-3~2.a-3', signature, sinceSeq: 6 }
    expect(parsePosition(`${signed}*!mark`)).toMatchObject({ seq: 7, openSeq: 3, isJoining: true, mark: 'mark', proof })
    expect(parsePosition(withProof('5.b-7', signature))?.proof).toEqual({
      body: '5.b-7',
      signature,
      sinceSeq: undefined,
    })
  })

  it.each(['', 'first_event', '1-2', '1.a-', '1.a-1.5', '1.a--1', '1.A-1', '1.a-1\n', 'x.a-1', '1.a-9999999999999999'])(
    'is undefined for %j',
    (text) => expect(parsePosition(text)).toBeUndefined(),
  )
})
