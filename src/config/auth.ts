// Variables of tokens: how they are verified, which requests need one, and the tokens of the internal API.
import * as z from 'zod'
import { publicKeyProblem } from './keys/jwt-key.ts'
import { exposesSecrets, integer, list, pointer, serviceUrl, tokens } from './env-fields.ts'

const JWT_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const

const DEFAULT_JWT_ALG = 'HS256'

/** Which clients may subscribe, or publish: all, those with a valid token, or those that a service at `url` allows. */
export type Check = 'no_check' | 'jwt_validation' | { readonly url: string }

const CHECK_PROBLEM = 'must be NO_CHECK, JWT_VALIDATION or the URL of a service that decides'

/** The URL keeps its case (RIG lower-cased it). */
const check = z.string().transform((text, context): Check => {
  const word = text.trim().toLowerCase()
  if (word === 'no_check' || word === 'jwt_validation') return word
  if (/^https?:\/\//.test(word) && URL.canParse(text)) return { url: text.trim() }
  context.addIssue(CHECK_PROBLEM)
  return z.NEVER
})

/** The variables of tokens, as zod schemas. */
export const tokenVariables = {
  JWT_SECRET_KEY: z.string().default(''),
  JWT_SECRET_KEY_OLD: z.string().default(''),
  JWT_ALG: z.enum(JWT_ALGORITHMS, `must be one of ${JWT_ALGORITHMS.join(', ')}`).optional(),
  JWT_JWKS_URL: serviceUrl('https://id.example.com/.well-known/jwks.json').optional(),
  JWT_ISSUER: z.string().min(1).optional(),
  JWT_AUDIENCE: list.pipe(z.array(z.string()).min(1, 'must name at least one audience')).optional(),
  JWT_LEEWAY_SECONDS: integer(0, 0, 600),
  TOKEN_WARNING_SECONDS: integer(60, 0, 3_600),
  JWT_USER_FIELD: pointer.default(['sub']),
  JWT_SESSION_FIELD: pointer.default(['jti']),
  JWT_COOKIE: z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a cookie name')
    .optional(),
  INTERNAL_TOKEN: tokens.default([]),
  SUBSCRIPTION_CHECK: check.prefault('no_check'),
  SUBMISSION_CHECK: check.prefault('jwt_validation'),
  CHECK_TIMEOUT_MS: integer(5_000, 100, 30_000),
}

type Variables = z.infer<z.ZodObject<typeof tokenVariables>>

/** Returns how tokens are verified. */
export function toJwt(v: Variables) {
  return {
    secret: v.JWT_SECRET_KEY,
    /** The previous key, whose tokens are still accepted; '' for none. Nothing is signed with it. */
    oldSecret: v.JWT_SECRET_KEY_OLD,
    algorithm: v.JWT_ALG ?? DEFAULT_JWT_ALG,
    jwksUrl: v.JWT_JWKS_URL ?? null,
    issuer: v.JWT_ISSUER ?? null,
    audience: v.JWT_AUDIENCE ?? null,
    leewaySeconds: v.JWT_LEEWAY_SECONDS,
    /** How long before its token expires a connection is sent `rig.token_expires`. */
    warningMs: v.TOKEN_WARNING_SECONDS * 1_000,
    userField: v.JWT_USER_FIELD,
    sessionField: v.JWT_SESSION_FIELD,
    cookie: v.JWT_COOKIE ?? null,
  }
}

/** Returns a problem for each combination of variables that cannot work. */
export function tokenContradictions(v: Variables): readonly string[] {
  const old = v.JWT_SECRET_KEY_OLD
  const oldProblems = old === '' ? [] : keyContradictions({ ...v, JWT_SECRET_KEY: old })
  const problems = [
    ...keyContradictions(v),
    ...oldProblems.map((problem) => problem.replace(/^JWT_SECRET_KEY/, 'JWT_SECRET_KEY_OLD')),
  ]
  if (old !== '' && v.JWT_SECRET_KEY === '')
    problems.push('JWT_SECRET_KEY_OLD: needs JWT_SECRET_KEY, the key that replaces it')
  if (v.JWT_JWKS_URL && v.JWT_SECRET_KEY) problems.push('JWT_JWKS_URL: set either it or JWT_SECRET_KEY, not both')
  if (v.JWT_JWKS_URL && exposesSecrets(v.JWT_JWKS_URL)) {
    problems.push('JWT_JWKS_URL: must be https, or anybody on the way could replace the keys')
  }
  for (const name of ['SUBSCRIPTION_CHECK', 'SUBMISSION_CHECK'] as const) {
    const value = v[name]
    if (typeof value === 'object' && exposesSecrets(value.url)) {
      problems.push(`${name}: must be https, or everybody on the way could read the tokens and change the decision`)
    }
  }
  return problems
}

/** A public key as the secret of HS* would let everybody sign tokens; a secret as the key of RS* verifies none. */
function keyContradictions({ JWT_SECRET_KEY: key, JWT_ALG: algorithm, JWT_JWKS_URL: url }: Variables): string[] {
  const isHmac = (algorithm ?? DEFAULT_JWT_ALG).startsWith('HS')
  if (url !== undefined && algorithm !== undefined && isHmac) {
    return ['JWT_ALG: must be RS*, PS*, ES* or EdDSA with JWT_JWKS_URL, or unset: a key set holds public keys']
  }
  if (key.includes('PRIVATE KEY-----')) {
    return ['JWT_SECRET_KEY: is a private key; must be the public key, or the certificate, that belongs to it']
  }
  const isPem = /-----BEGIN (PUBLIC KEY|CERTIFICATE)-----/.test(key)
  if (isHmac && isPem) {
    return ['JWT_ALG: must name the algorithm of the public key in JWT_SECRET_KEY, such as RS256']
  }
  if (!isHmac && key !== '' && !isPem) {
    return [`JWT_SECRET_KEY: must be a PEM "PUBLIC KEY" or "CERTIFICATE" for JWT_ALG ${algorithm}`]
  }
  const problem = isPem ? publicKeyProblem(key, algorithm ?? DEFAULT_JWT_ALG) : undefined
  return problem === undefined ? [] : [`JWT_SECRET_KEY: ${problem}`]
}
