// Signs claims as a JSON Web Token (RFC 7519), for services that trust Rigel and for the development page. jose's SignJWT
// clones the claims, which numbers that are kept by their digits do not survive: here their JSON is signed as it is.
import { CompactSign } from 'jose'
import type { JsonObject } from '../core/json.ts'

export interface SigningOptions {
  readonly secret: string
  /** An HMAC algorithm of RFC 7518, such as `HS256`. */
  readonly algorithm: string
  readonly validSeconds: number
  readonly nowMs: number
}

/** Returns the token. `iat` and `exp` are set, whatever the claims say. */
export function signClaims(claims: JsonObject, options: SigningOptions): Promise<string> {
  const iat = Math.floor(options.nowMs / 1_000)
  const payload = JSON.stringify({ ...claims, iat, exp: iat + options.validSeconds })
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: options.algorithm, typ: 'JWT' })
    .sign(new TextEncoder().encode(options.secret))
}
