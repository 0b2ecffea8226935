// `forward_claims`: the headers with a token's verified claims, plain for services that only Rigel can reach, or as a signed
// token that the service can verify. Called by proxy.ts.
import { encodeBase64Url } from 'hono/utils/encode'
import { SignJWT } from 'jose'
import type { VerifiedToken } from '../../auth/verify-token.ts'
import { CLAIM_PREFIX } from './headers.ts'

/** A service verifies the token when the request arrives. */
const LIFETIME = '60s'

export async function claimHeaders(
  { claims, principal }: VerifiedToken,
  how: 'plain' | 'signed',
  secret: string | null,
): Promise<Readonly<Record<string, string>>> {
  if (how === 'signed' && secret !== null) {
    const token = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuer('rigel')
      .setIssuedAt()
      .setExpirationTime(LIFETIME)
      .sign(new TextEncoder().encode(secret))
    return { [`${CLAIM_PREFIX}jwt`]: token }
  }
  return {
    ...(principal.user === null ? {} : { [`${CLAIM_PREFIX}user`]: encodeURIComponent(principal.user) }),
    ...(principal.session === null ? {} : { [`${CLAIM_PREFIX}session`]: encodeURIComponent(principal.session) }),
    [`${CLAIM_PREFIX}claims`]: encodeBase64Url(new TextEncoder().encode(JSON.stringify(claims)).buffer),
  }
}
