// The door to the session registries: the one place that makes their stubs.
import { shardOf } from '../core/delivery/shard-hash.ts'

/** Fixed for good: with another number a revoked session would be looked for where it is not. */
const REGISTRIES = 64

export function sessionRegistryStub(env: Env, session: string) {
  return env.SESSION_REGISTRY.getByName(`sessions-${shardOf(session, REGISTRIES)}`)
}
