// Waiting, and promises that must settle in time. A timeout's timer is cleared when the work settles first, so that nothing
// keeps a Durable Object awake. The work itself is not cancelled: a caller that needs that passes an AbortSignal to it.

/** Returns what the work returns. Throws an Error with the message `<what> within <timeoutMs> ms` when it takes longer. */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number, what = 'no answer'): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${what} within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves after `ms`; at once if that is not positive. */
export function sleep(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve()
}
