// One question to many shards, at most `fanOut` calls an invocation: each goes to the first shard of a share, which answers
// for itself and asks the others of its share in the same way. Never throws: who did not answer is among the answers. Pure.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../concurrency.ts'
import { partitionEvenly } from './partition-evenly.ts'

export type ShardResult<T> = { readonly shard: number } & (
  | { readonly ok: true; readonly value: T }
  /** It is not known whether it did what it was asked: it, or who was to ask it, is out of reach. */
  | { readonly ok: false; readonly error: string }
)

/** In the order of the shards, when every one has answered or failed. */
export async function scatterGather<T>(
  ask: (shard: number, share: readonly number[]) => Promise<readonly ShardResult<T>[]>,
  shards: readonly number[],
  fanOut: number,
): Promise<readonly ShardResult<T>[]> {
  const shares = partitionEvenly(shards, fanOut)
  const answers: (readonly ShardResult<T>[])[] = []
  const askShare = (share: readonly number[], index: number) => async () => {
    const asked = ask(share[0] ?? 0, share)
    answers[index] = await asked.catch((error) => share.map((shard) => ({ shard, ok: false, error: String(error) })))
  }
  await runWithLimit(shares.map(askShare), MAX_CONCURRENT_CALLS)
  return answers.flat()
}

/** For who cannot do with less than all. */
export function valuesOf<T>(answers: readonly ShardResult<T>[]): readonly T[] {
  return answers.map((answer) => {
    if (!answer.ok) throw new Error(`shard ${answer.shard} did not answer: ${answer.error}`)
    return answer.value
  })
}
