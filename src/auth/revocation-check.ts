// Checks whether the session of a token is revoked: asks the session's registry about every token that is verified. The
// answer is remembered for a moment, so that a busy session does not cost a call for every request. If the registry is out
// of reach, the token is refused.
import { logIncident } from '../telemetry/incident-log.ts'
import { TtlCache } from '../core/time/ttl-cache.ts'
import type { RigelError } from '../core/errors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { REMEMBER_NOT_REVOKED_MS, sessionRegistryStub } from '../rpc/session-registry.ts'
import type { VerifyToken } from './verify-token.ts'

/** The most sessions that an isolate remembers. */
const MAX_REMEMBERED = 10_000

/** Returns a verifier that runs `verify`, and then asks the registry. */
export function withRevocation(env: Env, verify: VerifyToken): VerifyToken {
  const known = new TtlCache<string, boolean>(MAX_REMEMBERED, Date.now)
  return async (token) => {
    const verified = await verify(token)
    if (!verified.ok || verified.value.principal.session === null) return verified
    const { session } = verified.value.principal
    const checked = await isRevoked(env, known, session)
    if (!checked.ok) return checked
    return checked.value ? fail({ kind: 'session_revoked', session }) : verified
  }
}

async function isRevoked(
  env: Env,
  known: TtlCache<string, boolean>,
  session: string,
): Promise<Result<boolean, RigelError>> {
  // Read before the call: what is remembered must end before the registry may answer a revocation.
  const nowMs = Date.now()
  const remembered = known.get(session)
  if (remembered !== undefined) return ok(remembered)
  try {
    const untilMs = await sessionRegistryStub(env, session).revokedUntil(session)
    known.set(session, untilMs !== null, untilMs ?? nowMs + REMEMBER_NOT_REVOKED_MS)
    return ok(untilMs !== null)
  } catch (error) {
    logIncident('a session registry did not answer', {}, { error: String(error) })
    return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
  }
}
