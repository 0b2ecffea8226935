// Whether the session of a token is revoked: asked of its registry for every token that is verified, and remembered for a
// moment, so that a busy session is not a call for every request. A registry out of reach refuses: this fails closed.
import type { RigelError } from '../core/errors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { sessionRegistryStub } from '../rpc/session-registry.ts'
import type { VerifyToken } from './verify-token.ts'

/** A revocation is known everywhere after this time at the latest. */
const REMEMBER_MS = 1_000
/** What an isolate remembers at most, before it forgets it all. */
const MAX_REMEMBERED = 10_000

interface Known {
  readonly isRevoked: boolean
  readonly untilMs: number
}

/** `verify`, and then the registry. */
export function withRevocation(env: Env, verify: VerifyToken): VerifyToken {
  const known = new Map<string, Known>()
  return async (token) => {
    const verified = await verify(token)
    if (!verified.ok || verified.value.principal.session === null) return verified
    const { session } = verified.value.principal
    const checked = await isRevoked(env, known, session)
    if (!checked.ok) return checked
    return checked.value ? fail({ kind: 'session_revoked', session }) : verified
  }
}

async function isRevoked(env: Env, known: Map<string, Known>, session: string): Promise<Result<boolean, RigelError>> {
  const nowMs = Date.now()
  const remembered = known.get(session)
  if (remembered !== undefined && remembered.untilMs > nowMs) return ok(remembered.isRevoked)
  try {
    const untilMs = await sessionRegistryStub(env, session).revokedUntil(session)
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(session, { isRevoked: untilMs !== null, untilMs: untilMs ?? nowMs + REMEMBER_MS })
    return ok(untilMs !== null)
  } catch (error) {
    console.warn('a session registry did not answer', error)
    return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
  }
}
