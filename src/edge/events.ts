// POST /_rig/v1/events: publishes CloudEvents to the log and answers where they stand in it. 202 means durable, and on
// the way every other event takes; nobody may be subscribed. RIG's answer, the event encoded twice, told nothing.
import type { Context } from 'hono'
import type { Reason } from '../core/reasons.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { bearerTokens } from './bearer.ts'
import { corsHeaders } from './cors.ts'
import { readEvents, type EventRequest } from './event-request.ts'
import { refuse } from './failure.ts'
import type { EdgeEnv } from './isolate.ts'
import { publish } from './operations.ts'

export async function postEvents(c: Context<EdgeEnv>): Promise<Response> {
  const { config } = c.var
  const cors = corsHeaders(config, c.req.raw)
  const known = await checkToken(c)
  if (!known.ok) return refuse(known.reason, cors)
  const posted = await readEvents(c.req.raw, config.maxEventBytes)
  if (!posted.ok) return refuse(posted.reason, cors)
  if (!(await mayPublish(c, posted.value))) return refuse({ kind: 'submission_denied' }, cors)
  const produced = await publish({ env: c.env, config }, posted.value.events)
  if (!produced.ok) return refuse(produced.reason, cors)
  const places = produced.value.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  return c.json(posted.value.mode === 'batched' ? places : places[0], 202, cors)
}

/** SUBMISSION_CHECK. Only a bearer header counts: a cookie would let any page the user visits publish in his name. */
async function checkToken(c: Context<EdgeEnv>): Promise<Result<null, Reason>> {
  if (c.var.config.submissionCheck !== 'jwt_validation') return ok(null)
  for (const token of bearerTokens(c.req.raw)) {
    const verified = await c.var.verifyToken(token)
    if (verified.ok) return ok(null)
    // That the keys cannot be had just now says nothing about the token.
    if (verified.reason.kind === 'unavailable') return verified
  }
  return fail({ kind: 'submission_denied' })
}

/** SUBMISSION_CHECK by a service: it gets the event as structured JSON, a batch as the array of them. */
async function mayPublish(c: Context<EdgeEnv>, { events, mode }: EventRequest): Promise<boolean> {
  const { submissionCheck } = c.var.config
  if (typeof submissionCheck === 'string') return true
  const texts = events.map(({ json }) => json)
  return c.var.askService(submissionCheck.url, {
    contentType: 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body: mode === 'batched' ? `[${texts.join(',')}]` : (texts[0] ?? ''),
  })
}
