// GET /_rig/health: 200 `OK`, or the problems of the configuration, without values, because the route is public. With an
// invalid configuration every other route is refused. Called by app.ts.
import type { Context, Next } from 'hono'
import { workerContext, type HttpEnv, type HttpVariables } from './worker-context.ts'

export function health(c: Context<HttpEnv>): Response {
  const { config } = workerContext(c.env)
  if (config.ok) return c.text('OK')
  return c.text(`Rigel is misconfigured:\n${config.reason.map(withoutValue).join('\n')}\n`, 500)
}

/** The log has the whole line. */
function withoutValue(problem: string): string {
  return problem.replace(/, got ".*$/s, '')
}

export function misconfigured(): Response {
  return new Response('Rigel is misconfigured: see /_rig/health', { status: 500 })
}

/** Passes the worker's context to the handlers after it. Touches no header: responses may be immutable. */
export async function requireConfig(c: Context<HttpEnv>, next: Next): Promise<Response | void> {
  const { variables } = workerContext(c.env)
  if (variables === undefined) return misconfigured()
  for (const name of Object.keys(variables) as (keyof HttpVariables)[]) c.set(name, variables[name])
  await next()
}
