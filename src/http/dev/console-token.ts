// POST /_rig/dev/console-token, in development mode only: returns the internal token, so that the console of `npm
// start` opens without asking for it. Pages of other origins cannot read the response, because it has no CORS headers.
// Called by app.ts.
import type { Context } from 'hono'
import type { HttpEnv } from '../worker-context.ts'

export function giveConsoleToken(c: Context<HttpEnv>): Response {
  const { devMode, internalTokens } = c.var.config
  if (!devMode) return c.notFound() as Response
  return c.json({ token: internalTokens[0] ?? null }, 200, { 'cache-control': 'no-store' })
}
