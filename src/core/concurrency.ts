// Runs pieces of work concurrently, up to a limit. Every piece is run, also after one has failed, and all have ended before
// the first failure is thrown: no call of the first attempt is under way when the caller tries again. No runtime.

/** The default limit. Each call under way holds a copy of its arguments in memory. */
export const MAX_CONCURRENT_CALLS = 16

/**
 * Runs every piece of `work`, at most `atOnce` at a time. Resolves when all have ended. Throws the first failure, after
 * all have ended.
 */
export async function runWithLimit(work: readonly (() => Promise<unknown>)[], atOnce: number): Promise<void> {
  const [only] = work
  if (only !== undefined && work.length === 1) return void (await only())
  const waiting = work.values()
  const failures: unknown[] = []
  const runner = async () => {
    for (const piece of waiting) {
      try {
        await piece()
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, work.length) }, runner))
  if (failures.length > 0) throw failures[0]
}
