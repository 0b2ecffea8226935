// Verifies a JSON Web Token and says who it is of. Signature, algorithm, expiry, issuer and audience are checked here
// and nowhere else; whether the session is revoked is not. The only file that knows jose, but for dev-token.ts.
import { createRemoteJWKSet, customFetch, errors, importSPKI, importX509, jwtVerify } from 'jose'
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import type { Config } from '../config/parse-config.ts'
import { evaluatePointer, type JsonPointer } from '../core/json-pointer.ts'
import type { Principal } from '../core/identity/principal.ts'
import type { RigelError } from '../core/errors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { readBody } from '../core/http-body.ts'

export interface VerifiedToken {
  readonly principal: Principal
  readonly claims: Readonly<Record<string, unknown>>
}

export type VerifyToken = (token: string) => Promise<Result<VerifiedToken, RigelError>>

export interface VerifierOptions {
  /** Fetches the key set of JWT_JWKS_URL. */
  readonly fetch?: typeof fetch
  readonly now?: () => Date
}

type JwtConfig = Config['jwt']
type Key = CryptoKey | Uint8Array
type KeySet = ReturnType<typeof createRemoteJWKSet>

const JWKS_TIMEOUT_MS = 5_000
/** Some hundred keys; a key set is a few kilobytes. */
const MAX_JWKS_BYTES = 262_144
/** What a key set may be used with: never HS*, for there a public key would be the secret. */
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

export function createTokenVerifier(jwt: JwtConfig, options: VerifierOptions = {}): VerifyToken {
  const keys = createKeySource(jwt, options.fetch ?? ((input, init) => fetch(input, init)))
  return async (token) => {
    if (keys === undefined) return invalid('Could not verify token: no key is configured, see JWT_SECRET_KEY')
    try {
      const payload = await verify(token, await keys(), toVerifyOptions(jwt, options.now?.()))
      return ok({ principal: toPrincipal(jwt, payload), claims: payload })
    } catch (error) {
      return fail(toReason(error))
    }
  }
}

/** Undefined: no key is configured. What the source keeps is keys, never a promise: on Workers the I/O behind it belongs to one request. */
function createKeySource(jwt: JwtConfig, fetcher: typeof fetch): (() => Promise<Key | KeySet>) | undefined {
  if (jwt.jwksUrl !== null) {
    // jose sees that it runs on Workers, and then drops a fetch that another request began (panva/jose#355).
    const keySet = createRemoteJWKSet(new URL(jwt.jwksUrl), {
      timeoutDuration: JWKS_TIMEOUT_MS,
      [customFetch]: (url, init) => fetchKeySet(fetcher, url, init),
    })
    return async () => keySet
  }
  if (jwt.secret === '') return undefined
  let key: Key | undefined
  return async () => (key ??= await importKey(jwt))
}

async function importKey({ secret, algorithm }: JwtConfig): Promise<Key> {
  if (algorithm.startsWith('HS')) return new TextEncoder().encode(secret)
  // A .dev.vars file and most dashboards hold one line: there, line breaks are written "\n".
  const pem = secret.replaceAll('\\n', '\n').trim()
  return pem.includes('BEGIN CERTIFICATE') ? importX509(pem, algorithm) : importSPKI(pem, algorithm)
}

async function fetchKeySet(fetcher: typeof fetch, url: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetcher(url, init)
    const body = await readBody(response, MAX_JWKS_BYTES)
    if (!body.ok) throw new errors.JOSEError(`the key set is larger than ${MAX_JWKS_BYTES} bytes`)
    return new Response(body.bytes, { status: response.status })
  } catch (error) {
    if (error instanceof errors.JOSEError) throw error
    throw new errors.JWKSTimeout('the key set could not be fetched', { cause: error })
  }
}

function toVerifyOptions(jwt: JwtConfig, now: Date | undefined): JWTVerifyOptions {
  const anyAsymmetric = jwt.jwksUrl !== null && jwt.algorithm.startsWith('HS')
  return {
    algorithms: anyAsymmetric ? ASYMMETRIC : [jwt.algorithm],
    requiredClaims: ['exp'],
    clockTolerance: jwt.leewaySeconds,
    ...(jwt.issuer === null ? {} : { issuer: jwt.issuer }),
    ...(jwt.audience === null ? {} : { audience: [...jwt.audience] }),
    ...(now === undefined ? {} : { currentDate: now }),
  }
}

async function verify(token: string, key: Key | KeySet, options: JWTVerifyOptions): Promise<JWTPayload> {
  if (typeof key !== 'function') return (await jwtVerify(token, key, options)).payload
  try {
    return (await jwtVerify(token, key, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    return verifyWithAnyOf(error, token, options)
  }
}

/** A token without `kid` while keys are rotated: each of the keys that fit is tried. */
async function verifyWithAnyOf(
  keys: AsyncIterable<CryptoKey>,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  for await (const key of keys) {
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
  }
  throw new errors.JWSSignatureVerificationFailed()
}

function toPrincipal(jwt: JwtConfig, claims: JWTPayload): Principal {
  return {
    user: readName(jwt.userField, claims),
    session: readName(jwt.sessionField, claims),
    expSeconds: claims.exp ?? null,
  }
}

function readName(pointer: JsonPointer, claims: JWTPayload): string | null {
  const value = evaluatePointer(pointer, claims)
  if (typeof value === 'string' && value !== '') return value
  return typeof value === 'number' ? String(value) : null
}

/** RIG's texts where RIG has them. Whatever is not known to be harmless refuses the token: this fails closed. */
function toReason(error: unknown): RigelError {
  if (error instanceof errors.JWTExpired) return { kind: 'token_expired' }
  if (error instanceof errors.JWTClaimValidationFailed) {
    // As RIG: a token without an end, or with one that is no number, counts as ended.
    if (error.claim === 'exp') return { kind: 'token_expired' }
    return { kind: 'invalid_token', message: `Could not verify token: ${error.message}` }
  }
  if (isKeySetFailure(error)) {
    console.warn(`JWT_JWKS_URL: ${error.message}`, error.cause)
    return { kind: 'unavailable', message: 'The keys that verify tokens are not available at the moment.' }
  }
  if (isForeign(error)) return { kind: 'invalid_token', message: 'Invalid signature' }
  if (!(error instanceof errors.JOSEError)) console.warn('JWT_SECRET_KEY: the key cannot be used', error)
  return { kind: 'invalid_token', message: 'Could not verify token' }
}

function isForeign(error: unknown): boolean {
  return (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JWKSNoMatchingKey
  )
}

/** ERR_JOSE_GENERIC: what jose throws for a key set that is not there, or not JSON. */
function isKeySetFailure(error: unknown): error is errors.JOSEError {
  return (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC')
  )
}

function invalid(message: string): Result<never, RigelError> {
  return fail({ kind: 'invalid_token', message })
}
