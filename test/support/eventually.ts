// Waits for what becomes true by itself, such as what an object does in the background. vi.waitFor gives up after a second, which is
// short on a machine that does other work: a limit is for what never comes, not for what is slow.
import { vi } from 'vitest'

/** Below the time that a test has. */
const WITHIN_MS = 20_000

/** Resolves with what `check` returns once it does not throw. Rejects with its last error. */
export function eventually<T>(check: () => T | Promise<T>, options: { readonly interval?: number } = {}): Promise<T> {
  return vi.waitFor(check, { timeout: WITHIN_MS, ...options })
}
