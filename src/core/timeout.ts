// A promise that must settle in time. The timer is cleared when the work settles first, so that nothing keeps a Durable
// Object awake. The work itself is not cancelled: a caller that needs that passes an AbortSignal to it.

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
