// Leaves out the keys of a key set that cannot be used: jose refuses a whole set because of one member that is no object, and
// imports a key only when a token names it, so that a broken key would look like a failure of that token. For key-set.ts.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK } from 'jose'
import { isObject } from '../core/json.ts'

export interface UsableKeys {
  readonly set: JSONWebKeySet
  /** One text a key that was left out: its name or place in the set, and why. */
  readonly leftOut: readonly string[]
}

/** RFC 7518, section 3.3. */
const MIN_RSA_BITS = 2_048

/** The algorithms by which keys without `alg` are imported. */
const BY_CURVE: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}

/**
 * Keys of other kinds, and for other uses than signatures, stay: no token is verified with them. Throws JWKSInvalid if keys
 * were left out and none is left.
 */
export async function usableKeys({ keys }: { readonly keys: readonly unknown[] }): Promise<UsableKeys> {
  const problems = await Promise.all(keys.map(problemOf))
  const usable = keys.filter((_, index) => problems[index] === null)
  const leftOut = keys.flatMap((key, index) => {
    const problem = problems[index] ?? null
    return problem === null ? [] : [`${nameOf(key, index)}: ${problem}`]
  })
  if (usable.length === 0 && leftOut.length > 0)
    throw new errors.JWKSInvalid(`no key can be used: ${leftOut.join('; ')}`)
  return { set: { keys: usable as JWK[] }, leftOut }
}

async function problemOf(key: unknown): Promise<string | null> {
  if (!isObject(key)) return 'it is not an object'
  const { alg, crv, kty } = key
  const byKind = kty === 'RSA' ? 'RS256' : typeof crv === 'string' ? BY_CURVE[crv] : undefined
  const header = { alg: typeof alg === 'string' ? alg : (byKind ?? 'none') }
  try {
    const imported = await createLocalJWKSet({ keys: [key] })(header)
    const { modulusLength = MIN_RSA_BITS } = imported.algorithm as { readonly modulusLength?: number }
    return modulusLength < MIN_RSA_BITS ? `it has ${modulusLength} bits` : null
  } catch (error) {
    const isOther = error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JOSENotSupported
    return isOther ? null : String(error)
  }
}

function nameOf(key: unknown, index: number): string {
  const kid = isObject(key) ? key['kid'] : undefined
  return typeof kid === 'string' ? `kid ${kid.slice(0, 100)}` : `key ${index + 1}`
}
