// POST /_rig/dev/token, in development mode only: signs a token, so that a newcomer has one without an identity provider,
// also in a frontend on another port (CORS). Body: `{"user": "alice"}` and any further claims, `exp` among them (seconds since
// the epoch; an hour from now if it is not given). Called by app.ts.
import { decodeUtf8 } from '../../core/text.ts'
import { isObject, parseJson, type JsonObject } from '../../core/json.ts'
import { signClaims } from '../../auth/sign-claims.ts'
import type { Context } from 'hono'
import type { Config } from '../../config/parse-config.ts'
import type { JsonPointer } from '../../core/json-pointer.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

const VALID_SECONDS = 3_600
const MAX_BODY_BYTES = 16_384

export async function makeDevToken(c: Context<HttpEnv>): Promise<Response> {
  const { config } = c.var
  if (!config.devMode) return c.notFound()
  if (!config.jwt.algorithm.startsWith('HS') || config.jwt.secret === '') {
    return errorResponse({
      kind: 'bad_request',
      message: 'Development tokens need JWT_SECRET_KEY, and HS256 as JWT_ALG.',
    })
  }
  const body = await readClaims(c)
  if (body === undefined) {
    return errorResponse({
      kind: 'bad_request',
      message: 'Expected JSON such as {"user":"alice"}, and further claims; exp must be whole seconds since the epoch.',
    })
  }
  const { user, ...claims } = body
  const token = await sign(withClaim(claims, config.jwt.userField, user), config.jwt)
  return c.json({ token }, 200, corsHeaders(config, c.req.raw))
}

async function readClaims(c: Context<HttpEnv>): Promise<JsonObject | undefined> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return undefined
  const claims = parseJson(decodeUtf8(body.value) ?? '')
  if (!isObject(claims) || typeof claims['user'] !== 'string' || claims['user'] === '') return undefined
  return claims['exp'] === undefined || Number.isSafeInteger(claims['exp']) ? claims : undefined
}

/** Returns `claims` with `value` at the place that `pointer` names. */
function withClaim(claims: Readonly<Record<string, unknown>>, pointer: JsonPointer, value: unknown) {
  const [name, ...rest] = pointer
  if (name === undefined) return claims
  const inner = claims[name]
  const next: unknown = rest.length === 0 ? value : withClaim(isObject(inner) ? inner : {}, rest, value)
  return { ...claims, [name]: next }
}

function sign(claims: JsonObject, jwt: Config['jwt']): Promise<string> {
  const issuer = jwt.issuer === null ? {} : { iss: jwt.issuer }
  const audience = jwt.audience === null ? {} : { aud: jwt.audience }
  const { algorithm, secret } = jwt
  const nowMs = Date.now()
  const asked = claims['exp']
  const validSeconds = typeof asked === 'number' ? asked - Math.floor(nowMs / 1_000) : VALID_SECONDS
  const options = { secret, algorithm, validSeconds, nowMs }
  return signClaims({ jti: crypto.randomUUID(), ...claims, ...issuer, ...audience }, options)
}
