// The type of a figure, how much is measured for one, and its statistics. Used by every file of this folder.
export interface Figure {
  readonly figure: string
  readonly rigel: number
  /** The least that does the same, in the same run. Absent: there is nothing to compare with. */
  readonly bare?: number
  readonly unit: string
  /** For the ratio of `rigel` to `bare`. */
  readonly goal?: number
  /** For `rigel` itself. */
  readonly absoluteGoal?: number
}

/** Records per second. */
export function figureOf(figure: string, rigel: number, bare: number): Figure {
  return { figure, rigel, bare, unit: 'records/s' }
}

/** Above 1 is more than bare. Undefined: there is nothing to compare with. */
export function ratioOf({ bare, rigel }: Figure): number | undefined {
  return bare === undefined ? undefined : rigel / bare
}

export function show(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}

export const quick = process.argv.includes('--quick')
const ROUNDS = quick ? 3 : 5

/** Several rounds, after one that warms up, taken in turn, so that what else the machine does meets all. */
export async function inTurns<Name extends string, Taken>(
  measures: Readonly<Record<Name, () => Promise<Taken>>>,
  rounds = ROUNDS,
): Promise<Record<Name, readonly Taken[]>> {
  const names = Object.keys(measures) as Name[]
  const taken = Object.fromEntries(names.map((name) => [name, [] as Taken[]])) as Record<Name, Taken[]>
  for (const name of names) await measures[name]()
  for (let round = 0; round < rounds; round += 1) for (const name of names) taken[name].push(await measures[name]())
  return taken
}

/** The medians. */
export async function alternate(
  measures: { rigel: () => Promise<number>; bare: () => Promise<number> },
  rounds = ROUNDS,
): Promise<{ readonly rigel: number; readonly bare: number }> {
  const { bare, rigel } = await inTurns(measures, rounds)
  return { rigel: quantileOf(rigel, 0.5), bare: quantileOf(bare, 0.5) }
}

export async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

export function quantileOf(values: readonly number[], quantile: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
