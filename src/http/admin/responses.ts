// POST /v3/responses and /v2/responses: a service answers a request that waits for it (`response_from: http_async`). RIG's
// texts. Only headers that belong to a response are passed on; the others are the service's own, such as its token.
import type { Context } from 'hono'
import { parseResponse, parseEventResponse } from '../../core/events/correlated-response.ts'
import { deliverResponse } from '../../rpc/pending-responses.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

const MAX_BODY_BYTES = 10_000_000
const ANSWERS =
  /^(rig-correlation|rig-response-code|cache-control|content-(disposition|encoding|language|location|type)|etag|expires|last-modified|link|location|retry-after|set-cookie|vary|x-(?!forwarded-|real-ip$|rigel-).*)$/

export async function postResponse(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const { headers } = c.req.raw
  const kept = [...headers].filter(([name]) => ANSWERS.test(name))
  const isEvent =
    !headers.has('rig-correlation') && !headers.has('rig-response-code') && c.req.param('version') === 'v2'
  const answer = isEvent ? parseEventResponse(new TextDecoder().decode(body.value)) : parseResponse(kept, body.value)
  if (!answer.ok)
    return errorResponse({ kind: 'bad_request', message: `Failed to parse request body: ${answer.reason}` })
  await deliverResponse(c.env, answer.value)
  return c.text('message sent to correlated reverse proxy request', 202)
}
