// `forward_claims`: the headers with a token's verified claims, plain for services that only Rigel can reach, or as a signed
// token that the service can verify. Called by proxy.ts.
import { encodeBase64Url } from 'hono/utils/encode'
import { signClaims } from '../../auth/sign-claims.ts'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import { CLAIM_PREFIX } from './headers.ts'

/** A service verifies the token when the request arrives. */
const LIFETIME_SECONDS = 60

export async function claimHeaders(
  { claims, principal }: VerifiedToken,
  how: 'plain' | 'signed',
  secret: string | null,
): Promise<Readonly<Record<string, string>>> {
  if (how === 'signed' && secret !== null) {
    const options = { secret, algorithm: 'HS256', validSeconds: LIFETIME_SECONDS, nowMs: Date.now() }
    const token = await signClaims({ ...claims, iss: 'rigel' }, options)
    return { [`${CLAIM_PREFIX}jwt`]: token }
  }
  return {
    ...(principal.user === null ? {} : { [`${CLAIM_PREFIX}user`]: encodeURIComponent(principal.user) }),
    ...(principal.session === null ? {} : { [`${CLAIM_PREFIX}session`]: encodeURIComponent(principal.session) }),
    [`${CLAIM_PREFIX}claims`]: encodeBase64Url(new TextEncoder().encode(JSON.stringify(claims)).buffer),
  }
}
