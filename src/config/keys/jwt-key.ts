// Whether the public key in JWT_SECRET_KEY can verify tokens of JWT_ALG. Without this check a broken key would only show
// as 401 for every token. Called by parse-config; jose imports the same text later (auth/verify-token.ts).
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'

/** RFC 7518, sections 3.3 and 3.5: shorter keys must not be used, and jose refuses them. */
const MIN_RSA_BITS = 2_048

/** JWS algorithm → the curve of its keys, as OpenSSL names it. RFC 7518, section 3.4. */
const CURVES: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }

/** Returns what is wrong with a PEM public key or certificate for an algorithm (not HS*), or undefined if it is usable. */
export function publicKeyProblem(pem: string, algorithm: string): string | undefined {
  const key = readPem(pem.replaceAll('\\n', '\n').trim())
  if (key === undefined) return 'must be a PEM public key or certificate: what is there cannot be read'
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const curve = CURVES[algorithm]
  if (curve !== undefined) {
    return type === 'ec' && details?.namedCurve === curve
      ? undefined
      : `must be a key on the curve ${curve} for ${algorithm}`
  }
  if (algorithm === 'EdDSA') return type === 'ed25519' ? undefined : 'must be an Ed25519 key for EdDSA'
  if (type !== 'rsa' && type !== 'rsa-pss') return `must be an RSA key for ${algorithm}`
  const bits = details?.modulusLength ?? 0
  return bits < MIN_RSA_BITS ? `must have ${MIN_RSA_BITS} bits or more for ${algorithm}, it has ${bits}` : undefined
}

function readPem(pem: string): KeyObject | undefined {
  try {
    return pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem)
  } catch {
    return undefined
  }
}
