// POST /_rig/v1/events: publishes CloudEvents to the log and answers where they stand in it. 202 means durable, and on
// the way every other event takes; nobody may be subscribed. RIG's answer, the event encoded twice, told nothing. What a
// connector pushes is answered by push.ts.
import type { Context } from 'hono'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { Principal } from '../../core/identity/principal.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { bearerTokens } from '../token-source.ts'
import { corsHeaders } from '../cors.ts'
import { readEvents } from './read-events.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { publish } from '../admin/operations.ts'
import { answerPush } from './post-push.ts'
import { connectorOf } from './read-push.ts'

export async function postEvents(c: Context<HttpEnv>): Promise<Response> {
  const { config } = c.var
  const cors = corsHeaders(config, c.req.raw)
  const known = await checkToken(c)
  if (!known.ok) return errorResponse(known.reason, cors)
  const connector = connectorOf(c.req.raw)
  if (!connector.ok) return errorResponse(connector.reason, cors)
  if (connector.value !== null) {
    const sender = { publisher: known.value, ...connector.value }
    return answerPush(c, sender, { cors, mayPublish: (events, isBatch) => mayPublish(c, events, isBatch) })
  }
  const posted = await readEvents(c.req.raw, config.maxEventBytes)
  if (!posted.ok) return errorResponse(posted.reason, cors)
  const isBatch = posted.value.mode === 'batched'
  if (!(await mayPublish(c, posted.value.events, isBatch))) return errorResponse({ kind: 'submission_denied' }, cors)
  const produced = await publish({ env: c.env, config }, posted.value.events)
  if (!produced.ok) return errorResponse(produced.reason, cors)
  const places = produced.value.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  return c.json(isBatch ? places : places[0], 202, cors)
}

/**
 * SUBMISSION_CHECK. Only a bearer header counts: a cookie would let any page the user visits publish in his name.
 * Answers who it is that publishes; where no token is verified, nobody known.
 */
async function checkToken(c: Context<HttpEnv>): Promise<Result<string, RigelError>> {
  if (c.var.config.submissionCheck !== 'jwt_validation') return ok('')
  for (const token of bearerTokens(c.req.raw)) {
    const verified = await c.var.verifyToken(token)
    if (verified.ok) return ok(publisherOf(verified.value.principal))
    // That the keys cannot be had just now says nothing about the token.
    if (verified.reason.kind === 'unavailable') return verified
  }
  return fail({ kind: 'submission_denied' })
}

function publisherOf({ user, session }: Principal): string {
  return user === null ? `session ${session ?? ''}` : `user ${user}`
}

/** SUBMISSION_CHECK by a service: it gets the event as structured JSON, a batch as the array of them. */
async function mayPublish(c: Context<HttpEnv>, events: readonly CloudEvent[], isBatch: boolean): Promise<boolean> {
  const { submissionCheck } = c.var.config
  if (typeof submissionCheck === 'string') return true
  const texts = events.map(({ json }) => json)
  return c.var.askService(submissionCheck.url, {
    contentType: 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body: isBatch ? `[${texts.join(',')}]` : (texts[0] ?? ''),
  })
}
