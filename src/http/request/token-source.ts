// Finds the token of a request: header, WebSocket subprotocol, query or cookie. What a client gives on purpose wins over
// the cookie, which a browser sends by itself. auth/verify-token.ts verifies it.
import { parse as parseCookies } from 'hono/utils/cookie'
import type { Config } from '../../config/parse-config.ts'
import { isTrustedOrigin } from '../cors.ts'
import { parametersOf, valueIn } from './query.ts'

const SUBPROTOCOL_PREFIX = 'bearer.'

/** RIG's name, and Phoenix's. */
const TOKEN_PARAMETERS = ['jwt', 'token']

/**
 * Returns null if the request has no token, which is allowed. The first of these counts: Authorization, the subprotocol
 * `bearer.<token>`, the parameters, the cookie. An empty parameter or cookie counts as none, an empty bearer is a bad token.
 */
export function findToken(request: Request, config: Config, parameters = TOKEN_PARAMETERS): string | null {
  const [bearer] = bearerTokens(request)
  if (bearer !== undefined) return bearer
  const query = parametersOf(request.url)
  const protocol = offeredProtocols(request).find((offered) => offered.startsWith(SUBPROTOCOL_PREFIX))
  const found = [
    protocol?.slice(SUBPROTOCOL_PREFIX.length),
    ...parameters.map((name) => valueIn(query, name)),
    cookieToken(request, config),
  ]
  return found.find((token) => token !== null && token !== undefined && token !== '') ?? null
}

/**
 * The tokens of `Authorization: Bearer a, Bearer b`; like RIG, several headers and comma lists are read. Other schemes
 * are ignored. A bearer that cannot be read, and a value without a scheme, are returned as a token that is refused: the
 * client meant to say who it is.
 */
export function bearerTokens(request: Request): readonly string[] {
  const header = (request.headers.get('authorization') ?? '').trim()
  if (header !== '' && !/\s/.test(header)) return ['']
  return header.split(',').flatMap((item) => /^\s*bearer(?:\s+(.*?))?\s*$/i.exec(item)?.slice(1, 2) ?? [])
}

/** The subprotocols that a WebSocket client offers, in its order. */
export function offeredProtocols(request: Request): readonly string[] {
  const header = request.headers.get('sec-websocket-protocol') ?? ''
  return header
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')
}

/**
 * A page of another site can open a WebSocket, which CORS does not cover, and the browser adds the cookie. So a cookie
 * counts only for requests of this origin, or of one that CORS lists; `*` lists none.
 */
function cookieToken(request: Request, config: Config): string | null {
  const name = config.jwt.cookie
  if (name === null || !isTrustedOrigin(config, request)) return null
  return parseCookies(request.headers.get('cookie') ?? '', name)[name] ?? null
}
