// OPTIONS /_rig/v1/events: the validation handshake of CloudEvents' HTTP 1.1 Web Hooks (section 4), by which senders such
// as Azure Event Grid ask for permission to deliver. It permits; whether an event is taken is decided by its token.
import type { Context } from 'hono'
import type { HttpEnv } from '../worker-context.ts'

const SECONDS_PER_MINUTE = 60

export function isHandshake(request: Request): boolean {
  return request.headers.has('webhook-request-origin')
}

/** The response to a requested rate: requests a minute, at most as many as a publisher's events. */
export function answerHandshake(c: Context<HttpEnv>): Response {
  const origin = c.req.header('webhook-request-origin') ?? '*'
  const asked = Number(c.req.header('webhook-request-rate'))
  const limit = c.var.config.publishBudget.eventsPerSecond * SECONDS_PER_MINUTE
  const rate = Number.isInteger(asked) && asked > 0 && asked < limit ? asked : limit
  return new Response(null, {
    status: 200,
    headers: {
      allow: 'POST, OPTIONS',
      'webhook-allowed-origin': origin,
      ...(c.req.header('webhook-request-rate') === undefined ? {} : { 'webhook-allowed-rate': String(rate) }),
      vary: 'WebHook-Request-Origin, WebHook-Request-Rate',
    },
  })
}
