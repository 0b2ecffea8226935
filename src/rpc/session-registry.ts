// Contract of SessionRegistry: its stub. It stores revoked sessions, divided by session id over a fixed number of objects.
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../core/concurrency.ts'
import { shardOf } from '../core/delivery/shard-hash.ts'
import { objectStub } from './object-stub.ts'

/** Must never change: with another number a revoked session would be looked up in the wrong object. */
const REGISTRY_COUNT = 64

/**
 * How long an isolate may remember that a session is not revoked, in milliseconds. A registry confirms a revocation only when
 * this time has passed since it last answered that the session is not revoked.
 */
export const REMEMBER_NOT_REVOKED_MS = 1_000

/** Asks all registries. Resolves to the reason of each one that does not answer, by its name. */
export async function registryProblems(env: Env): Promise<readonly string[]> {
  const problems: string[] = []
  const ask = (name: string) => async () => {
    try {
      await objectStub(env, env.SESSION_REGISTRY, name).revokedUntil('')
    } catch (error) {
      problems.push(`${name}: ${String(error)}`)
    }
  }
  await runWithLimit(
    Array.from({ length: REGISTRY_COUNT }, (_, n) => ask(`sessions-${n}`)),
    MAX_CONCURRENT_CALLS,
  )
  return problems.toSorted()
}

/** Returns the stub of the SessionRegistry object that stores whether this session is revoked. */
export function sessionRegistryStub(env: Env, session: string) {
  return objectStub(env, env.SESSION_REGISTRY, `sessions-${shardOf(session, REGISTRY_COUNT)}`)
}
