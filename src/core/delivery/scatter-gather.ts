// One question to many shards, at most `fanOut` calls an invocation: each goes to the first shard of a share, which answers
// for itself and asks the others of its share in the same way. Never throws: who did not answer is among the answers. Pure.
import { CALLS_AT_ONCE, runAll } from '../concurrency.ts'
import { shareOut } from './partition-evenly.ts'

export type Answer<T> = { readonly shard: number } & (
  | { readonly ok: true; readonly value: T }
  /** It is not known whether it did what it was asked: it, or who was to ask it, is out of reach. */
  | { readonly ok: false; readonly error: string }
)

/** In the order of the shards, when every one has answered or failed. */
export async function survey<T>(
  ask: (shard: number, share: readonly number[]) => Promise<readonly Answer<T>[]>,
  shards: readonly number[],
  fanOut: number,
): Promise<readonly Answer<T>[]> {
  const shares = shareOut(shards, fanOut)
  const answers: (readonly Answer<T>[])[] = []
  const askShare = (share: readonly number[], index: number) => async () => {
    const asked = ask(share[0] ?? 0, share)
    answers[index] = await asked.catch((error) => share.map((shard) => ({ shard, ok: false, error: String(error) })))
  }
  await runAll(shares.map(askShare), CALLS_AT_ONCE)
  return answers.flat()
}

/** For who cannot do with less than all. */
export function valuesOf<T>(answers: readonly Answer<T>[]): readonly T[] {
  return answers.map((answer) => {
    if (!answer.ok) throw new Error(`shard ${answer.shard} did not answer: ${answer.error}`)
    return answer.value
  })
}
