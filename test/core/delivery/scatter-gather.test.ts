import { expect, it } from 'vitest'
import { scatterGather, valuesOf, type ShardResult } from '../../../src/core/delivery/scatter-gather.ts'

/** Shards that answer with ten times their number, as UserShard does; `isDown`: out of reach. */
function makeShards(fanOut: number, isDown: (shard: number) => boolean = () => false) {
  const calls: number[] = []
  const askAll = (shards: readonly number[]): Promise<readonly ShardResult<number>[]> => {
    const index = calls.push(0) - 1
    const ask = async (shard: number, share: readonly number[]): Promise<readonly ShardResult<number>[]> => {
      calls[index] = (calls[index] ?? 0) + 1
      await Promise.resolve()
      if (isDown(shard)) throw new Error('out of reach')
      return [{ shard, ok: true, value: shard * 10 }, ...(await askAll(share.filter((other) => other !== shard)))]
    }
    return scatterGather(ask, shards, fanOut, (shard, error) => ({ shard, ok: false, error }))
  }
  return { askAll, calls }
}

const upTo = (count: number) => Array.from({ length: count }, (_, shard) => shard)

it.each([
  [0, 4],
  [3, 4],
  [4, 4],
  [5, 4],
  [300, 4],
  [5_000, 64],
])('%i shards are asked once each, in order, with at most %i calls an invocation', async (shards, fanOut) => {
  const { askAll, calls } = makeShards(fanOut)
  expect(valuesOf(await askAll(upTo(shards)))).toEqual(upTo(shards).map((shard) => shard * 10))
  expect(Math.max(...calls)).toBeLessThanOrEqual(fanOut)
})

it('who does not answer, and who would have been asked by it, is told by name; the others have answered', async () => {
  const { askAll } = makeShards(4, (shard) => shard === 10)
  const answers = await askAll(upTo(20))
  const down = [10, 11, 12, 13, 14]
  expect(answers).toEqual(
    upTo(20).map((shard) =>
      down.includes(shard)
        ? { shard, ok: false, error: 'Error: out of reach' }
        : { shard, ok: true, value: shard * 10 },
    ),
  )
  expect(() => valuesOf(answers)).toThrow('shard 10 did not answer: Error: out of reach')
})
