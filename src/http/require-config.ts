// GET /_rig/health: 200 `OK`, or the problems of the configuration, without values, because the route is public. With an
// invalid configuration every other route is refused. Called by app.ts.
import type { Context, Next } from 'hono'
import { workerContext, type HttpEnv } from './worker-context.ts'

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
  const {
    askService,
    config,
    metrics,
    publishBudget,
    publishRules,
    routes,
    shardMap,
    subjects,
    tracer,
    upstreamHealth,
    verifyToken,
  } = workerContext(c.env)
  if (!config.ok || verifyToken === undefined || routes === undefined) return misconfigured()
  if (publishBudget === undefined || publishRules === undefined || metrics === undefined) return misconfigured()
  c.set('config', config.value)
  c.set('verifyToken', verifyToken)
  c.set('askService', askService)
  c.set('publishBudget', publishBudget)
  c.set('publishRules', publishRules)
  c.set('routes', routes)
  c.set('upstreamHealth', upstreamHealth)
  c.set('shardMap', shardMap)
  c.set('subjects', subjects)
  c.set('metrics', metrics)
  c.set('tracer', tracer)
  await next()
}
