// Verifies a JSON Web Token and returns its principal. Signature, algorithm, expiry, issuer and audience are checked here
// and nowhere else; revocation-check.ts checks whether the session is revoked. Uses jose.
import { logIncident } from '../telemetry/incident-log.ts'
import { sleep } from '../core/time/timeout.ts'
import { base64url, errors, importSPKI, importX509, jwtVerify } from 'jose'
import type { JSONWebKeySet, JWTPayload, JWTVerifyOptions } from 'jose'
import type { Config } from '../config/parse-config.ts'
import { evaluatePointer, type JsonPointer } from '../core/json-pointer.ts'
import { toId } from '../core/identity/user-id.ts'
import { isObject, numberText, parseJson, type JsonObject } from '../core/json.ts'
import type { Principal } from '../core/identity/principal.ts'
import { LATEST_MS } from '../core/time/times.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { RigelError } from '../core/errors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { readBody } from '../core/http-body.ts'
import { FETCH_TIMEOUT_MS, KeySetCache, type KeySet } from './key-set.ts'

export interface VerifiedToken {
  readonly principal: Principal
  readonly claims: Readonly<Record<string, unknown>>
}

export type VerifyToken = (token: string) => Promise<Result<VerifiedToken, RigelError>>

export interface VerifierOptions {
  /** Fetches the key set of JWT_JWKS_URL. */
  readonly fetch?: typeof fetch
  readonly now?: () => Date
  readonly sleep?: (ms: number) => Promise<void>
}

type JwtConfig = Config['jwt']
type Key = CryptoKey | Uint8Array

/** Returns the keys for a token, and newer ones for a token that those did not verify. */
interface KeySource {
  current(): Promise<Key | KeySet>
  newerThan(keys: Key | KeySet): Promise<KeySet | undefined>
}

/** Room for some hundred keys. */
const MAX_JWKS_BYTES = 262_144
/** The algorithms that a key set may be used with: never HS*, because a public key would then be the secret. */
const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** While a key is rotated, tokens of the old one are accepted too. The reason of a failure is that of the new key. */
export function createTokenVerifier(jwt: JwtConfig, options: VerifierOptions = {}): VerifyToken {
  const verifyByNew = createKeyVerifier(jwt, options)
  if (jwt.oldSecret === '') return verifyByNew
  const verifyByOld = createKeyVerifier({ ...jwt, secret: jwt.oldSecret }, options)
  return async (token) => {
    const verified = await verifyByNew(token)
    if (verified.ok) return verified
    const byOld = await verifyByOld(token)
    return byOld.ok ? byOld : verified
  }
}

function createKeyVerifier(jwt: JwtConfig, options: VerifierOptions): VerifyToken {
  const keys = createKeySource(jwt, options)
  return async (token) => {
    if (keys === undefined) return invalid('Could not verify token: no key is configured, see JWT_SECRET_KEY')
    try {
      const { exp } = await verifyBy(keys, token, toVerifyOptions(jwt, options.now?.()))
      return toVerified(jwt, readClaims(token), exp === undefined ? null : Math.min(exp, LATEST_MS / 1_000))
    } catch (error) {
      return fail(toReason(error))
    }
  }
}

/** Returns undefined if no key is configured. */
function createKeySource(jwt: JwtConfig, options: VerifierOptions): KeySource | undefined {
  const { jwksUrl } = jwt
  if (jwksUrl !== null) {
    const fetcher = options.fetch ?? ((input, init) => fetch(input, init))
    const cache = new KeySetCache({
      fetch: async () => fetchKeySet(fetcher, jwksUrl),
      nowMs: () => options.now?.().getTime() ?? Date.now(),
      sleep: options.sleep ?? sleep,
    })
    return {
      current: async () => cache.current(),
      newerThan: async (keys) => (typeof keys === 'function' ? cache.newerThan(keys) : undefined),
    }
  }
  if (jwt.secret === '') return undefined
  let key: Key | undefined
  return { current: async () => (key ??= await importKey(jwt)), newerThan: async () => undefined }
}

async function importKey({ secret, algorithm }: JwtConfig): Promise<Key> {
  if (algorithm.startsWith('HS')) return new TextEncoder().encode(secret)
  // A .dev.vars file and most dashboards hold one line: there, line breaks are written "\n".
  const pem = secret.replaceAll('\\n', '\n').trim()
  return pem.includes('BEGIN CERTIFICATE') ? importX509(pem, algorithm) : importSPKI(pem, algorithm)
}

async function fetchKeySet(fetcher: typeof fetch, url: string): Promise<JSONWebKeySet> {
  const response = await fetcher(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    // Redirects are not followed: the configured host is the one that is trusted.
    redirect: 'manual',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new errors.JWKSTimeout('the key set could not be fetched', { cause: error })
  })
  const body = await readBody(response, MAX_JWKS_BYTES)
  if (response.status !== 200) throw new errors.JWKSInvalid(`its server answered with status ${response.status}`)
  if (!body.ok) throw new errors.JWKSInvalid(`the key set is larger than ${MAX_JWKS_BYTES} bytes`)
  const keys = parseJson(decodeUtf8(body.bytes) ?? '')
  if (!isObject(keys) || !Array.isArray(keys['keys']))
    throw new errors.JWKSInvalid('its server answered with no key set')
  return keys as unknown as JSONWebKeySet
}

/** Tries once more with newer keys: a provider may add a key, or give another key the name (`kid`) of an old one. */
async function verifyBy(source: KeySource, token: string, options: JWTVerifyOptions): Promise<JWTPayload> {
  const keys = await source.current()
  try {
    return await verify(token, keys, options)
  } catch (error) {
    if (!isKeyMissing(error)) throw error
    const newer = await source.newerThan(keys)
    if (newer === undefined) throw error
    return verify(token, newer, options)
  }
}

function isKeyMissing(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed
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

/** For a token without `kid` while keys are rotated: tries each key that fits. */
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

/** The claims of a token whose signature is verified. jose rounds numbers that a double does not hold. */
function readClaims(token: string): JsonObject {
  const claims = parseJson(decodeUtf8(base64url.decode(token.split('.')[1] ?? '')) ?? '')
  // jose has parsed the same text as an object.
  if (!isObject(claims)) throw new errors.JWTInvalid('the payload is not a JSON object')
  return claims
}

function toVerified(jwt: JwtConfig, claims: JsonObject, expSeconds: number | null): Result<VerifiedToken, RigelError> {
  const user = readId(jwt.userField, claims)
  const session = readId(jwt.sessionField, claims)
  if (user === undefined || session === undefined)
    return invalid('Could not verify token: its user or session is no id')
  return ok({ principal: { user, session, expSeconds }, claims })
}

/** Returns null if the token has no id, and undefined if its id could be confused with another, see docs/identities.md. */
function readId(pointer: JsonPointer, claims: JsonObject): string | null | undefined {
  const value = evaluatePointer(pointer, claims)
  const isId = (typeof value === 'string' && value !== '') || numberText(value) !== undefined
  return isId ? toId(value) : null
}

/** RIG's texts where RIG has them. Any error refuses the token. */
function toReason(error: unknown): RigelError {
  if (error instanceof errors.JWTExpired) return { kind: 'token_expired' }
  if (error instanceof errors.JWTClaimValidationFailed) {
    // Like RIG, a token without `exp`, or with an `exp` that is no number, counts as expired.
    if (error.claim === 'exp') return { kind: 'token_expired' }
    return { kind: 'invalid_token', message: `Could not verify token: ${error.message}` }
  }
  if (isKeySetFailure(error)) {
    return { kind: 'unavailable', message: 'The keys that verify tokens are not available at the moment.' }
  }
  if (isForeign(error)) return { kind: 'invalid_token', message: 'Invalid signature' }
  if (!(error instanceof errors.JOSEError))
    logIncident('JWT_SECRET_KEY: the key cannot be used', {}, { error: String(error) })
  return { kind: 'invalid_token', message: 'Could not verify token' }
}

function isForeign(error: unknown): boolean {
  return (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JWKSNoMatchingKey
  )
}

function isKeySetFailure(error: unknown): error is errors.JOSEError {
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid
}

function invalid(message: string): Result<never, RigelError> {
  return fail({ kind: 'invalid_token', message })
}
