// Authenticates calls of the internal API. INTERNAL_TOKEN permits everything, CONSOLE_READ_TOKEN only reading.
import type { Context, Next } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { timingSafeEqual } from 'hono/utils/buffer'
import type { HttpEnv, Role } from '../worker-context.ts'

/** POSTs that change nothing. */
const READING_POST = /\/v1\/(topics\/[^/]+\/try|routes\/test)$/
/** API definitions may have secrets in headers. The console uses `/v1/routes`, which leaves headers out. */
const WITH_SECRETS = /\/v\d\/apis(\/|$)/

export async function authenticate(c: Context<HttpEnv>, next: Next): Promise<Response | void> {
  const { internalTokens, readTokens } = c.var.config
  if (internalTokens.length === 0 && readTokens.length === 0) {
    return c.text('The internal API is closed: set INTERNAL_TOKEN to open it.', 403)
  }
  // Constant time: the duration of a comparison must not depend on the length or the content of the expected token.
  const verifyToken = async (token: string) => {
    const [isOperator, isReader] = await Promise.all([isOneOf(token, internalTokens), isOneOf(token, readTokens)])
    c.set('role', isOperator ? 'operator' : 'reader')
    return isOperator || isReader
  }
  return bearerAuth<HttpEnv>({ verifyToken })(c, async () => {
    if (mayCall(c)) return next()
    c.res = c.text('This token may only read.', 403)
    return undefined
  })
}

function mayCall({ req, var: { role } }: Context<HttpEnv>): boolean {
  if (role === 'operator') return true
  const isReading =
    req.method === 'GET' || req.method === 'HEAD' || (req.method === 'POST' && READING_POST.test(req.path))
  return isReading && !WITH_SECRETS.test(req.path)
}

/** Compares with every token, also after a match, so that the time is the same. */
async function isOneOf(token: string, expected: readonly string[]): Promise<boolean> {
  const results = await Promise.all(expected.map((one) => timingSafeEqual(token, one)))
  return results.includes(true)
}

/** Readers get only the beginning of a connection token, because the whole token permits changing the connection. */
export function shownToken(role: Role, connectionToken: string): string {
  return role === 'operator' ? connectionToken : `${connectionToken.slice(0, 8)}…`
}
