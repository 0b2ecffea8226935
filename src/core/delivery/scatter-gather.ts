// One command to many objects (shards, followers), as a tree: at most `fanOut` calls per invocation, each to the first
// object of a group, which runs the command and passes it on to the others of its group in the same way. Pure.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../concurrency.ts'
import { partitionEvenly } from './fan-out-tree.ts'

/** What became of a command at one object. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  /** It is not known whether the command was carried out: the object, or the one that should pass it on, did not answer. */
  | { readonly ok: false; readonly error: string }

/** The outcome of a command at one shard. */
export type ShardResult<T> = { readonly shard: number } & Outcome<T>

/**
 * Calls `ask` with the first object of each group and the whole group. Returns the results in the order of `targets`, when
 * every call has ended. Never throws: a call that failed is turned into one result per member by `toFailure`.
 */
export async function scatterGather<Target, R>(
  ask: (first: Target, group: readonly Target[]) => Promise<readonly R[]>,
  targets: readonly Target[],
  fanOut: number,
  toFailure: (target: Target, error: string) => R,
  concurrency = MAX_CONCURRENT_CALLS,
): Promise<readonly R[]> {
  const groups = partitionEvenly(targets, fanOut)
  const results: (readonly R[])[] = []
  const askGroup = (group: readonly Target[], index: number) => async () => {
    const [first] = group
    if (first === undefined) return
    try {
      results[index] = await ask(first, group)
    } catch (error) {
      results[index] = group.map((target) => toFailure(target, String(error)))
    }
  }
  await runWithLimit(groups.map(askGroup), concurrency)
  return results.flat()
}

/** Returns the values of all shards, or throws if one of them failed. */
export function valuesOf<T>(results: readonly ShardResult<T>[]): readonly T[] {
  return results.map((result) => {
    if (!result.ok) throw new Error(`shard ${result.shard} did not answer: ${result.error}`)
    return result.value
  })
}
