// Finds the offset range of a partition by asking "is this offset in range?", because Redpanda's proxy has no route for it.
// Starts from an offset inside the range, leaps outwards, then bisects. Pure except for the question. For redpanda-reader.ts.
import type { OffsetRange } from '../kafka-log.ts'

/** Asks the proxy whether an offset is in range. */
export type IsInRange = (offset: number) => Promise<boolean>

/** Growth factor of the leaps. Few leaps are needed; most requests are the bisection. */
const GROWTH = 16

/**
 * Returns the offsets that exist, found by bisection. `knownOffset` must be in range. `knownEarliest` is an earlier
 * start of the range, which never moves back.
 */
export async function findRange(ask: IsInRange, knownOffset: number, knownEarliest = 0): Promise<OffsetRange> {
  const latest = await findLatest(ask, knownOffset)
  const earliest = await findEarliest(ask, knownOffset, Math.min(knownEarliest, knownOffset))
  return { earliest, latest }
}

async function findLatest(ask: IsInRange, knownOffset: number): Promise<number> {
  let inside = knownOffset
  let step = 1
  let outside = knownOffset + step
  while (await ask(outside)) {
    inside = outside
    step *= GROWTH
    outside = inside + step
  }
  return bisect(ask, inside, outside)
}

async function findEarliest(ask: IsInRange, knownOffset: number, least: number): Promise<number> {
  if (knownOffset === least || (await ask(least))) return least
  let inside = knownOffset
  let step = 1
  let outside = Math.max(least, inside - step)
  while (outside > least && (await ask(outside))) {
    inside = outside
    step *= GROWTH
    outside = Math.max(least, inside - step)
  }
  return bisect(ask, inside, outside)
}

/** Returns the last offset in range between one that is in range (`from`) and one that is not (`to`). */
async function bisect(ask: IsInRange, from: number, to: number): Promise<number> {
  let [inside, outside] = [from, to]
  while (Math.abs(outside - inside) > 1) {
    const middle = Math.trunc((inside + outside) / 2)
    if (await ask(middle)) inside = middle
    else outside = middle
  }
  return inside
}

/** Counts items that are numbered from 0 without gaps. `known` is an earlier count. */
export async function countFromZero(isThere: (index: number) => Promise<boolean>, known = 0): Promise<number> {
  if (known === 0 && !(await isThere(0))) return 0
  return (await findLatest(isThere, Math.max(0, known - 1))) + 1
}
