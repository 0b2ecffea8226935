// Copies of responses that are on their way into the cache take a bounded part of an isolate's memory, however slow their clients are.
import { describe, expect, it } from 'vitest'
import { MAX_COPY_BYTES, ResponseCopies, type ResponseCopy } from '../../../src/http/proxy/response-copies.ts'

const CHUNK = new Uint8Array(500_000)

function fill(copies: ResponseCopies, chunks: number): ResponseCopy {
  const copy = copies.begin()
  for (let n = 0; n < chunks; n += 1) copies.add(copy, CHUNK)
  return copy
}

describe('copies of responses', () => {
  it('are complete, in order, if there is room for them', () => {
    const copies = new ResponseCopies()
    const copy = copies.begin()
    const chunks = [Uint8Array.of(1), Uint8Array.of(2, 3)]
    for (const chunk of chunks) copies.add(copy, chunk)
    expect(copies.end(copy)).toEqual(chunks)
  })

  it('are given up, and free their memory, if the response is too long', () => {
    const copies = new ResponseCopies()
    const copy = fill(copies, MAX_COPY_BYTES / CHUNK.byteLength + 1)
    expect([copy.isGivenUp, copy.chunks.length]).toEqual([true, 0])
    copies.add(copy, CHUNK)
    expect([copies.end(copy), copy.chunks.length]).toEqual([undefined, 0])
  })

  it('hold 16 MiB at most: the oldest are given up, and those that come later are cached', () => {
    const copies = new ResponseCopies()
    const slow = Array.from({ length: 30 }, () => fill(copies, 9))
    const heldBytes = slow.flatMap(({ chunks }) => chunks).reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(heldBytes).toBeLessThanOrEqual(16 * 1_048_576)
    expect(heldBytes).toBeGreaterThan(8 * 1_048_576)
    expect([slow[0]?.isGivenUp, slow.at(-1)?.isGivenUp]).toEqual([true, false])
    expect(copies.end(fill(copies, 9))).toHaveLength(9)
  })

  it('that are complete or broken off take nothing any more', () => {
    const copies = new ResponseCopies()
    for (let n = 0; n < 100; n += 1) copies.end(fill(copies, 9))
    for (let n = 0; n < 100; n += 1) copies.giveUp(fill(copies, 9))
    const first = fill(copies, 9)
    fill(copies, 9)
    expect(copies.end(first)).toHaveLength(9)
  })
})
