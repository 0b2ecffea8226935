// The static files under /_rig/ (the console's: serveConsole): the browser client and the descriptions of API definitions and
// events for everybody; the playground (the page of `npm start`) only with PLAYGROUND or DEV_MODE. wrangler.toml sends these
// paths to the Worker first, so that a deployment shows the page only if a variable enables it. Called by app.ts.
import type { Context, Next } from 'hono'
import type { HttpEnv } from '../worker-context.ts'

/** Imported by frontends and editors, from any origin. */
const PUBLIC_FILE = /^\/_rig\/(client[\w-]*\.(js|d\.ts)|(proxy\.schema|asyncapi)\.json)$/

/** The page runs its own scripts, talks to its own origin, and is shown in no frame. CSP Level 3; OWASP's secure headers. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
} as const

/** The console, at /_rig/console, only with CONSOLE or DEV_MODE. Its files hold nothing: what it shows needs a token. */
export async function serveConsole(c: Context<HttpEnv>, next: Next): Promise<Response | void> {
  if (!c.var.config.console) return next()
  const { path } = c.req
  if (path === '/_rig/console/') return c.redirect('/_rig/console', 308)
  return serveFile(c, next, path === '/_rig/console' ? '/_rig/console/index.html' : path)
}

/** Returns the file if there is one that may be shown. Other requests continue to the API gateway. */
export async function servePage(c: Context<HttpEnv>, next: Next): Promise<Response | void> {
  const { path } = c.req
  const isPublic = PUBLIC_FILE.test(path)
  if (!isPublic && !c.var.config.playground) return next()
  if (path === '/_rig') return c.redirect('/_rig/', 308)
  return serveFile(c, next, path === '/_rig/' ? '/_rig/index.html' : path, isPublic)
}

async function serveFile(c: Context<HttpEnv>, next: Next, path: string, isPublic = false): Promise<Response | void> {
  const file = await c.env.ASSETS.fetch(new Request(new URL(path, c.req.url), c.req.raw))
  if (file.status === 404) return next()
  const headers = new Headers(file.headers)
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) headers.set(name, value)
  if (isPublic) headers.set('access-control-allow-origin', '*')
  // By its ending the runtime takes it for an MPEG transport stream.
  if (path.endsWith('.d.ts')) headers.set('content-type', 'application/typescript; charset=utf-8')
  return new Response(file.body, { status: file.status, headers })
}
