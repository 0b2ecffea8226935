// Contract of SessionRegistry: its stub. It stores revoked sessions, divided by session id over a fixed number of objects.
import { shardOf } from '../core/delivery/shard-hash.ts'

/** Must never change: with another number a revoked session would be looked up in the wrong object. */
const REGISTRY_COUNT = 64

export function sessionRegistryStub(env: Env, session: string) {
  return env.SESSION_REGISTRY.getByName(`sessions-${shardOf(session, REGISTRY_COUNT)}`)
}
