// Where a request carries its token: header, WebSocket subprotocol, query or cookie. What is given on purpose wins over
// the cookie, which a browser sends by itself. Finds it only; tokens.ts verifies it.
import { parse as parseCookies } from 'hono/utils/cookie'
import type { Config } from '../config/parse-config.ts'
import { isTrustedOrigin } from './cors.ts'

const SUBPROTOCOL_PREFIX = 'bearer.'

/** Null: the request carries none, which is allowed. An empty one counts as none. */
export function findToken(request: Request, config: Config): string | null {
  const found =
    bearerTokens(request)[0] ??
    offeredProtocols(request)
      .find((protocol) => protocol.startsWith(SUBPROTOCOL_PREFIX))
      ?.slice(SUBPROTOCOL_PREFIX.length) ??
    new URL(request.url).searchParams.get('jwt') ??
    cookieToken(request, config)
  return found === null || found === '' ? null : found
}

/** `Authorization: Bearer a, Bearer b`: as RIG, several headers and comma lists. Other schemes are none of our business. */
export function bearerTokens(request: Request): readonly string[] {
  const header = request.headers.get('authorization') ?? ''
  return header.split(',').flatMap((item) => /^\s*bearer\s+(\S+)\s*$/i.exec(item)?.[1] ?? [])
}

export function offeredProtocols(request: Request): readonly string[] {
  const header = request.headers.get('sec-websocket-protocol') ?? ''
  return header
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')
}

/**
 * A page of another site can open a WebSocket, which knows no CORS, and the browser adds our cookie. So a cookie only
 * counts for requests of this origin, or of one that CORS names; `*` names none.
 */
function cookieToken(request: Request, config: Config): string | null {
  const name = config.jwt.cookie
  if (name === null || !isTrustedOrigin(config, request)) return null
  return parseCookies(request.headers.get('cookie') ?? '', name)[name] ?? null
}
