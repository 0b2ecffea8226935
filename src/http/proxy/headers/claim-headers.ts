// `forward_claims`: the headers with a token's verified claims, plain for services that only Rigel can reach, or as a signed
// token that the service can verify. Called by proxy.ts.
import { encodeBase64Url } from 'hono/utils/encode'
import { signClaims } from '../../../auth/sign-claims.ts'
import type { Policy } from '../../../api-definitions/api-route.ts'
import type { VerifiedToken } from '../../../auth/verify-token.ts'
import { CLAIM_PREFIX } from './headers.ts'

/** A service verifies the token when the request arrives. */
const LIFETIME_SECONDS = 60

export async function addClaims(
  headers: Headers,
  { claims, principal }: VerifiedToken,
  how: Policy['forwardClaims'],
  secret: string | null,
): Promise<void> {
  if (how === 'signed' && secret !== null) {
    const options = { secret, algorithm: 'HS256', validSeconds: LIFETIME_SECONDS, nowMs: Date.now() }
    headers.set(`${CLAIM_PREFIX}jwt`, await signClaims({ ...claims, iss: 'rigel' }, options))
  }
  if (how !== 'plain') return
  if (principal.user !== null) headers.set(`${CLAIM_PREFIX}user`, encodeURIComponent(principal.user))
  if (principal.session !== null) headers.set(`${CLAIM_PREFIX}session`, encodeURIComponent(principal.session))
  headers.set(`${CLAIM_PREFIX}claims`, encodeBase64Url(new TextEncoder().encode(JSON.stringify(claims)).buffer))
}
