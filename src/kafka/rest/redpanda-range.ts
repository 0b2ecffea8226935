// The range of offsets that a partition has, from nothing but "is this offset in range?": Redpanda's proxy has no route
// for it. From a foothold inside the range its ends are found by leaps and halves. Pure but for the question asked.
import type { OffsetRange } from '../kafka-log.ts'

export type IsInRange = (offset: number) => Promise<boolean>

/** Leaps grow by this: the way out to an end costs little beside halving it afterwards. */
const GROWTH = 16

/** `foothold` must be in range, `knownEarliest` is where the range once began: it never begins earlier. */
export async function findRange(ask: IsInRange, foothold: number, knownEarliest = 0): Promise<OffsetRange> {
  const latest = await findLatest(ask, foothold)
  const earliest = await findEarliest(ask, foothold, Math.min(knownEarliest, foothold))
  return { earliest, latest }
}

async function findLatest(ask: IsInRange, foothold: number): Promise<number> {
  let inside = foothold
  let step = 1
  let outside = foothold + step
  while (await ask(outside)) {
    inside = outside
    step *= GROWTH
    outside = inside + step
  }
  return halve(ask, inside, outside)
}

async function findEarliest(ask: IsInRange, foothold: number, least: number): Promise<number> {
  if (foothold === least || (await ask(least))) return least
  let inside = foothold
  let step = 1
  let outside = Math.max(least, inside - step)
  while (outside > least && (await ask(outside))) {
    inside = outside
    step *= GROWTH
    outside = Math.max(least, inside - step)
  }
  return halve(ask, inside, outside)
}

/** The last offset that is in range on the way from one that is to one that is not. */
async function halve(ask: IsInRange, from: number, to: number): Promise<number> {
  let [inside, outside] = [from, to]
  while (Math.abs(outside - inside) > 1) {
    const middle = Math.trunc((inside + outside) / 2)
    if (await ask(middle)) inside = middle
    else outside = middle
  }
  return inside
}

/** How many there are of what is numbered from 0 without gaps; `known` is a number that there were once. */
export async function count(isThere: (index: number) => Promise<boolean>, known = 0): Promise<number> {
  if (known === 0 && !(await isThere(0))) return 0
  return (await findLatest(isThere, Math.max(0, known - 1))) + 1
}
